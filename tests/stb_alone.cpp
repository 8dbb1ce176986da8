// A program without libjpeg and libpng: stb alone for images, and used by the program itself in another file.
#include <minivit/vit.hpp>

#include <cstdio>

#if defined(MINIVIT_WITH_LIBJPEG) || defined(MINIVIT_WITH_LIBPNG)
#error "stb is to be tested alone"
#endif
#if defined(STB_IMAGE_IMPLEMENTATION) || defined(STBI_MALLOC) || defined(STBI_ONLY_PNG) || \
    defined(STBI_NO_STDIO)
#error "minivit's settings of stb are left behind"
#endif

/// The width of an image file, by the program's own stb_image; 0 if it cannot be read.
int width_by_own_stb(const char* path);

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const char* const name : {"/rgba.png", "/baseline.jpg"}) {
    const std::string path = std::string(argv[1]) + name;
    const minivit::Image image = minivit::decode_image(path);
    const minivit::Image back = minivit::decode_image(minivit::encode_png(image), "memory");
    const int own = width_by_own_stb(path.c_str());
    if (image.width == 23 && back == image && own == 23) continue;
    std::printf("%s: minivit %d, own stb_image %d, expected 23\n", path.c_str(), image.width, own);
    return 1;
  }
}

// A program's own stb_image, beside the one in minivit.
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

int width_by_own_stb(const char* path) {
  int width = 0, height = 0, channels = 0;
  return stbi_info(path, &width, &height, &channels) ? width : 0;
}

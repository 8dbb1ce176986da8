// Fuzzes the decoders of images that are left without the libraries: stb_image and BMP.
#undef MINIVIT_WITH_LIBJPEG
#undef MINIVIT_WITH_LIBPNG
#undef MINIVIT_WITH_LIBWEBP
#undef MINIVIT_WITH_GIFLIB
#undef MINIVIT_WITH_LIBTIFF
#undef MINIVIT_WITH_LIBAVIF
#undef MINIVIT_WITH_LIBHEIF
#include "image_fuzz.cpp"

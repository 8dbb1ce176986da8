// Compiled without libjpeg and libpng: everything, with stb alone for images.
#include <minivit/vit.hpp>

#if defined(MINIVIT_WITH_LIBJPEG) || defined(MINIVIT_WITH_LIBPNG)
#error "stb is to be tested alone"
#endif

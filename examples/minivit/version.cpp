// Versions of the program and of the libraries that it was compiled with.
#include "version.hpp"

#include <Eigen/Core>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/config.hpp"
#include "minivit/core/parallel.hpp"
#include "minivit/data/image_formats.hpp"
#if defined(MINIVIT_WITH_LIBJPEG)
#include <cstdio>  // jpeglib.h needs it

#include <jpeglib.h>
#endif
#if defined(MINIVIT_WITH_LIBPNG)
#include <png.h>
#endif

namespace minivit::cli {

namespace {

std::string libraries() {
  std::string out =
      str_cat("Eigen ", EIGEN_WORLD_VERSION, '.', EIGEN_MAJOR_VERSION, '.', EIGEN_MINOR_VERSION);
#if defined(MINIVIT_WITH_LIBJPEG) && defined(LIBJPEG_TURBO_VERSION)
  out += ", libjpeg-turbo " MINIVIT_STRING(LIBJPEG_TURBO_VERSION);
#elif defined(MINIVIT_WITH_LIBJPEG)
  out += str_cat(", libjpeg ", JPEG_LIB_VERSION);
#else
  out += ", JPEG by stb_image";
#endif
#if defined(MINIVIT_WITH_LIBPNG)
  out += ", libpng " PNG_LIBPNG_VER_STRING;
#else
  out += ", PNG by stb_image";
#endif
  return out;
}

}  // namespace

std::string version_text() {
  return str_cat("minivit ", kVersion, "\ninstruction set: ", kInstructionSet, "\nthreads: ", num_threads(),
                 "\nlibraries: ", libraries(), "\nimages: ", image::detail::format_names(),
                 "\ncompiler: ", __VERSION__, "\n");
}

}  // namespace minivit::cli

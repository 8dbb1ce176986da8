# The libraries that minivit needs. Sets, besides the targets that it finds:
#
#   minivit_libraries              what minivit::minivit links
#   minivit_definitions            macros that tell the headers which optional libraries are there
#   minivit_dependencies           the same searches, written down for minivitConfig.cmake

list(PREPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})  # Findstb.cmake, …

set(minivit_libraries)
set(minivit_definitions)
set(minivit_dependencies)

# minivit_find(target hint package [argument of find_package…]): links `target` where the package is found.
macro(minivit_find target)
  find_package(${ARGN} QUIET)
  if(TARGET ${target})
    list(APPEND minivit_libraries ${target})
    string(JOIN " " minivit_arguments ${ARGN})
    string(APPEND minivit_dependencies "find_dependency(${minivit_arguments})\n")
  endif()
endmacro()

# As minivit_find, but ends with a message that names the package to install.
macro(minivit_require target hint)
  minivit_find(${target} ${ARGN})
  if(NOT TARGET ${target})
    string(JOIN " " minivit_arguments ${ARGN})
    message(FATAL_ERROR "minivit: ${minivit_arguments} is needed and was not found. Install ${hint}, "
                        "or name its folder in CMAKE_PREFIX_PATH.")
  endif()
endmacro()

# As minivit_find, but without it the library does with less.
macro(minivit_want target hint without)
  minivit_find(${target} ${ARGN})
  if(NOT TARGET ${target} AND PROJECT_IS_TOP_LEVEL)
    message(STATUS "minivit: ${without} (install ${hint} to change that)")
  endif()
endmacro()

minivit_require(Eigen3::Eigen "libeigen3-dev (Debian, Ubuntu)" Eigen3 3.4)
minivit_require(nlohmann_json::nlohmann_json "nlohmann-json3-dev (Debian, Ubuntu)" nlohmann_json 3.11)
minivit_require(Threads::Threads "a C++ compiler with threads" Threads)

if(MINIVIT_OPENMP)
  minivit_require(OpenMP::OpenMP_CXX "OpenMP (for clang: libomp-dev), or leave -DMINIVIT_OPENMP=ON out" OpenMP COMPONENTS CXX)
  list(APPEND minivit_definitions MINIVIT_WITH_OPENMP)
endif()
if(MINIVIT_LIBJPEG)
  minivit_want(JPEG::JPEG "libjpeg62-turbo-dev" "JPEG decoded by stb_image, for there is no libjpeg" JPEG)
  if(TARGET JPEG::JPEG)
    list(APPEND minivit_definitions MINIVIT_WITH_LIBJPEG)
  endif()
endif()
if(MINIVIT_LIBPNG)
  minivit_want(PNG::PNG "libpng-dev" "PNG decoded by stb_image, for there is no libpng" PNG)
  if(TARGET PNG::PNG)
    list(APPEND minivit_definitions MINIVIT_WITH_LIBPNG)
  endif()
endif()


# Further image formats: minivit_format(option macro target hint format find_package…).
macro(minivit_format option definition target hint format)
  if(${option})
    minivit_want(${target} "${hint}" "${format} is not read, for its library is not there" ${ARGN})
    if(TARGET ${target})
      list(APPEND minivit_definitions ${definition})
    endif()
  endif()
endmacro()
minivit_format(MINIVIT_LIBWEBP MINIVIT_WITH_LIBWEBP WebP::webp libwebp-dev WebP WebP)
minivit_format(MINIVIT_GIFLIB MINIVIT_WITH_GIFLIB GIF::GIF libgif-dev GIF GIF 5)
minivit_format(MINIVIT_LIBTIFF MINIVIT_WITH_LIBTIFF TIFF::TIFF "libtiff-dev, 4.5 or newer" TIFF TIFF 4.5)
minivit_format(MINIVIT_LIBAVIF MINIVIT_WITH_LIBAVIF avif libavif-dev AVIF libavif)
minivit_format(MINIVIT_LIBHEIF MINIVIT_WITH_LIBHEIF heif libheif-dev HEIC libheif)

minivit_want(stb::stb "libstb-dev" "images by libjpeg and libpng alone, for there is no stb" stb)
if(NOT TARGET stb::stb AND NOT TARGET JPEG::JPEG AND NOT TARGET PNG::PNG)
  message(FATAL_ERROR "minivit: no decoder of images was found. Install libjpeg62-turbo-dev and libpng-dev, or libstb-dev.")
endif()

# For the headers that write protocol buffers (io/onnx.hpp, io/export.hpp, io/tensorboard.hpp): header-only, optional.
minivit_want(protozero::protozero "libprotozero-dev" "no ONNX and TensorBoard, for there is no protozero" Protozero)

# minivit::native: compile for the machine at hand. The kernels are written for wide vectors, and which ones there are
# is fixed when a file is compiled.
include(CheckCXXCompilerFlag)
include(CheckCXXSourceCompiles)

add_library(minivit_native INTERFACE)
add_library(minivit::native ALIAS minivit_native)
set_target_properties(minivit_native PROPERTIES EXPORT_NAME native)

check_cxx_compiler_flag(-march=native MINIVIT_HAS_MARCH_NATIVE)
if(MINIVIT_HAS_MARCH_NATIVE)
  target_compile_options(minivit_native INTERFACE -march=native)
else()  # how some compilers for ARM call it
  check_cxx_compiler_flag(-mcpu=native MINIVIT_HAS_MCPU_NATIVE)
  if(MINIVIT_HAS_MCPU_NATIVE)
    target_compile_options(minivit_native INTERFACE -mcpu=native)
  endif()
endif()

# Without vector flags everything works, only slowly: said once, where nobody has asked for them.
if(NOT PROJECT_IS_TOP_LEVEL OR NOT MINIVIT_NATIVE)
  check_cxx_source_compiles("
    #if !defined(__AVX2__) && !defined(__ARM_NEON)
    #error
    #endif
    int main() {}" MINIVIT_HAS_VECTOR_FLAGS)
  if(NOT MINIVIT_HAS_VECTOR_FLAGS AND NOT MINIVIT_HINT_GIVEN)
    message(STATUS "minivit: the compiler flags name no vector instructions; link minivit::native, or compile with "
                   "-march=x86-64-v3, for full speed")
    set(MINIVIT_HINT_GIVEN ON CACHE INTERNAL "")
  endif()
endif()

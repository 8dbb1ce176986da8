# minivit::compiled: the library compiled once. Whoever links it reads declarations only (MINIVIT_SEPARATE_COMPILATION).
#
# It is built where it is used, here and in projects that find an installed minivit, with the flags of that project: the
# instruction set is fixed when a file is compiled, and must be the same for both. With MINIVIT_NATIVE it brings -march=native to
# whoever links it.
add_library(minivit_compiled STATIC EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/compiled.cpp)
add_library(minivit::compiled ALIAS minivit_compiled)
target_compile_definitions(minivit_compiled PUBLIC MINIVIT_SEPARATE_COMPILATION)
target_link_libraries(minivit_compiled PUBLIC minivit::minivit)
if(MINIVIT_NATIVE)
  target_link_libraries(minivit_compiled PUBLIC minivit::native)
endif()

# `cmake --install`, and the files by which find_package(minivit) finds an installation or this build folder.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/minivit)  # headers only, the same for every architecture

install(TARGETS minivit minivit_native EXPORT minivitTargets FILE_SET HEADERS)
install(EXPORT minivitTargets NAMESPACE minivit:: DESTINATION ${package_dir})
export(EXPORT minivitTargets NAMESPACE minivit:: FILE ${PROJECT_BINARY_DIR}/minivitTargets.cmake)
set(package_files ${PROJECT_BINARY_DIR}/minivitConfig.cmake ${PROJECT_BINARY_DIR}/minivitConfigVersion.cmake)
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/minivitConfig.cmake.in ${PROJECT_BINARY_DIR}/minivitConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/minivitConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
foreach(module FindProtozero.cmake Findstb.cmake FindWebP.cmake)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${module} ${PROJECT_BINARY_DIR}/${module} COPYONLY)
  list(APPEND package_files ${PROJECT_BINARY_DIR}/${module})
endforeach()
foreach(file compiled.cmake compiled.cpp)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${file} ${PROJECT_BINARY_DIR}/${file} COPYONLY)
  list(APPEND package_files ${PROJECT_BINARY_DIR}/${file})
endforeach()
install(FILES ${package_files} DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# SPDX-License-Identifier: Apache-2.0
# `cpack` in the build folder makes a package for Debian.
install(FILES README.md ARCHITECTURE.md CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT
    "imgmount maintainers <maintainers@imgmount.example>")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE
    GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package/prepare.cmake)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
# The architecture that is built for, which in a cross build is another than
# CPack would ask dpkg about.
if(CMAKE_LIBRARY_ARCHITECTURE)
  execute_process(
    COMMAND dpkg-architecture -t ${CMAKE_LIBRARY_ARCHITECTURE} -q DEB_HOST_ARCH
    OUTPUT_VARIABLE CPACK_DEBIAN_PACKAGE_ARCHITECTURE
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
# A package fits the libraries of one Debian, so each has versions of its own,
# and a newer Debian the higher one: 1~deb12, 1~deb13.
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
cmake_host_system_information(RESULT system QUERY DISTRIB_ID)
cmake_host_system_information(RESULT system_version QUERY DISTRIB_VERSION_ID)
if(system STREQUAL debian AND system_version)
  string(APPEND CPACK_DEBIAN_PACKAGE_RELEASE ~deb${system_version})
endif()
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"imgmount turns a container image of any registry, archive or container engine
into a read-only directory: without Docker, root, or unpacking. Layers stay
compressed; a file is decoded when it is read.

With it come imgpull, imghistory, imginspect, imgdiff and imgcache, which
answer what is in an image, where it is from, and what changed; imgcat and
imgexport read its files without a mount.")
# Those of the libraries are found by dpkg-shlibdeps.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "fuse3")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "less, man-db")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/cmake/package/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(cmake/package/changelog.in package/changelog.Debian @ONLY)
set(CPACK_IMGMOUNT_DOCUMENTS
    ${PROJECT_SOURCE_DIR}/cmake/package/copyright
    ${CMAKE_CURRENT_BINARY_DIR}/package/changelog.Debian)
include(CPack)

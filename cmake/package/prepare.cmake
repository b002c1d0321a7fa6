# SPDX-License-Identifier: Apache-2.0
# Makes of what was installed what Debian's policy wants: manual pages and
# changelogs compressed, and a copyright file.
set(doc ${CPACK_TEMPORARY_DIRECTORY}/usr/share/doc/imgmount)
file(COPY ${CPACK_IMGMOUNT_DOCUMENTS} DESTINATION ${doc})
file(RENAME ${doc}/CHANGELOG.md ${doc}/changelog)
# Debian's zsh looks there for what packages bring.
set(zsh ${CPACK_TEMPORARY_DIRECTORY}/usr/share/zsh)
file(RENAME ${zsh}/site-functions ${zsh}/vendor-completions)
file(GLOB compressed ${doc}/changelog*
     ${CPACK_TEMPORARY_DIRECTORY}/usr/share/man/*/*)
execute_process(COMMAND gzip -9n ${compressed} COMMAND_ERROR_IS_FATAL ANY)

// SPDX-License-Identifier: Apache-2.0
// The kind of image that a path on disk holds, by what is there, whatever it
// is called. For messages that name what helps.
#ifndef IMGMOUNT_FETCH_ARCHIVE_IMAGE_FILE_H_
#define IMGMOUNT_FETCH_ARCHIVE_IMAGE_FILE_H_

#include <filesystem>
#include <string>

namespace imgmount {

// The transport that reads it: "oci:", "oci-archive:" or "docker-archive:"; ""
// for anything else, and for a compressed file whose beginning does not tell.
std::string TransportOf(const std::filesystem::path& path);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ARCHIVE_IMAGE_FILE_H_

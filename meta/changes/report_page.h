// SPDX-License-Identifier: Apache-2.0
// The page of --html, without its data.
#ifndef IMGMOUNT_META_CHANGES_REPORT_PAGE_H_
#define IMGMOUNT_META_CHANGES_REPORT_PAGE_H_

namespace imgmount {

// HTML; the word DATA stands where the data goes, once.
const char* ReportPage();

}  // namespace imgmount

#endif  // IMGMOUNT_META_CHANGES_REPORT_PAGE_H_

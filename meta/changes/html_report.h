// SPDX-License-Identifier: Apache-2.0
// A comparison as one self-contained page of HTML.
//
// All that is in it may come from an image: it goes into the page as JSON that
// cannot end the element it is in, and the page shows it as text only.
#ifndef IMGMOUNT_META_CHANGES_HTML_REPORT_H_
#define IMGMOUNT_META_CHANGES_HTML_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "meta/base/result.h"
#include "meta/changes/change_report.h"
#include "meta/changes/efficiency.h"

namespace imgmount {

class HtmlReport {
 public:
  explicit HtmlReport(const std::string& title);

  // The layers of the image whose bytes are shown; one size for each.
  void SetLayers(const std::vector<LayerInfo>& layers,
                 const std::vector<LayerBytes>& bytes);
  void SetEfficiency(const Efficiency& efficiency);
  // Whose files the treemap shows.
  Status SetTree(DiffTree& tree);
  // A list of changes, under a title.
  Status AddSection(const std::string& title, const Comparison& comparison);

  std::string Page() const;

 private:
  nlohmann::ordered_json data_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_CHANGES_HTML_REPORT_H_

// SPDX-License-Identifier: Apache-2.0
#include "fs/view/image_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "meta/base/timestamp.h"
#include "meta/store/cached_layers.h"

namespace imgmount {
namespace {

// Names of as many digits as the last one needs, at least two, so that they
// sort.
std::string LayerName(size_t layer, size_t layer_count) {
  const size_t digits = fmt::formatted_size("{}", layer_count - 1);
  return fmt::format("{:0{}}", layer, std::max<size_t>(digits, 2));
}

}  // namespace

ImageView::ImageView(std::unique_ptr<UnionTree> tree,
                     TreeReader::LayerOpener opener, TreeReaderOptions options)
    : owned_tree_(std::move(tree)),
      tree_(*owned_tree_),
      reader_(TreeReader::Make(tree_, std::move(opener), std::move(options))) {}

ImageView::ImageView(const UnionTree& tree, TreeReader::LayerOpener opener,
                     TreeReaderOptions options)
    : tree_(tree),
      reader_(TreeReader::Make(tree_, std::move(opener), std::move(options))) {}

void ImageView::Start(ImageFsOptions options,
                      std::unique_ptr<Provenance> provenance) {
  provenance_ = std::move(provenance);
  options.extra_xattrs = provenance_.get();
  fs_.emplace(tree_, *reader_, options);
}

ImageViews::ImageViews(std::shared_ptr<const LayerProvider> layers, Image image,
                       Cache cache, ViewOptions options)
    : provider_(std::move(layers)),
      image_(std::move(image)),
      cache_(std::move(cache)),
      options_(std::move(options)),
      reader_options_{.budget = options_.budget,
                      .lazy = provider_->is_lazy(),
                      .log = options_.log},
      layers_(LayersOf(image_)),
      states_(*provider_, provider_->layer_count(), ScratchFolder(cache_)) {}

Result<const UnionTree*> ImageViews::State(size_t layers) {
  const MutexLock lock(mutex_);
  IMGMOUNT_TRY(const UnionTree* tree, states_.AsOf(layers));
  states_.DropIndexes();
  return tree;
}

std::shared_ptr<const ImageView> ImageViews::Start(
    std::shared_ptr<ImageView> view, size_t last) {
  std::unique_ptr<Provenance> provenance;
  if (options_.provenance) {
    provenance = std::make_unique<Provenance>(
        view->tree(), layers_, last,
        [this](size_t layers) { return State(layers); });
  }
  view->Start({.uid = options_.uid, .gid = options_.gid},
              std::move(provenance));
  return view;
}

Result<std::shared_ptr<const ImageView>> ImageViews::Rootfs(size_t layers) {
  IMGMOUNT_TRY(auto tree, provider_->Tree(layers));
  TreeReaderOptions reader = reader_options_;
  const std::string key = provider_->TreeKey(layers);
  const auto path = cache_.ProfilesPath(key);
  reader.profiles.known =
      ReadProfiles(path, key).value_or(std::vector<AccessProfile>());
  // They only save time; where they cannot be kept, there are none.
  reader.profiles.save = [path,
                          key](const std::vector<AccessProfile>& profiles) {
    (void)WriteProfiles(path, profiles, key);
  };
  reader.cut = [this](LayerPosition layer, std::span<const TarRun> runs) {
    provider_->WillReread(layer, runs);
  };
  auto view = std::make_shared<ImageView>(
      std::move(tree),
      [this](LayerPosition layer) { return provider_->Open(layer); },
      std::move(reader));
  return Start(std::move(view), layers == 0 ? 0 : layers - 1);
}

Result<std::shared_ptr<const ImageView>> ImageViews::AsOf(size_t layers) {
  if (layers == layers_.size()) return Rootfs(layers);
  IMGMOUNT_TRY(const UnionTree* tree, State(layers));
  auto view = std::make_shared<ImageView>(
      *tree, [this](LayerPosition layer) { return provider_->Open(layer); },
      reader_options_);
  return Start(std::move(view), layers == 0 ? 0 : layers - 1);
}

Result<std::shared_ptr<const ImageView>> ImageViews::Alone(size_t layer) {
  std::unique_ptr<UnionTree> tree;
  {
    const MutexLock lock(mutex_);
    IMGMOUNT_TRY(tree, states_.Alone(layer));
    states_.DropIndexes();
  }
  return Start(
      std::make_shared<ImageView>(
          std::move(tree),
          [this](LayerPosition position) { return provider_->Open(position); },
          reader_options_),
      layer);
}

void ImageViews::AddAsOf(ComposedFs& fs, Ino directory, std::string name,
                         size_t layers) {
  fs.AddPart(directory, std::move(name),
             [this, layers]() -> Result<std::shared_ptr<const FileSystem>> {
               IMGMOUNT_TRY(const auto view, AsOf(layers));
               return std::shared_ptr<const FileSystem>(view, &view->fs());
             });
}

void ImageViews::AddAll(ComposedFs& fs, Ino directory, size_t layers,
                        std::string history) {
  AddAsOf(fs, directory, "rootfs", layers);
  const Ino alone = fs.AddDirectory(directory, "layers");
  const Ino asof = fs.AddDirectory(directory, "asof");
  for (size_t i = 0; i < layers; ++i) {
    const std::string name = LayerName(i, layers);
    fs.AddPart(alone, name,
               [this, i]() -> Result<std::shared_ptr<const FileSystem>> {
                 IMGMOUNT_TRY(const auto view, Alone(i));
                 return std::shared_ptr<const FileSystem>(view, &view->fs());
               });
    AddAsOf(fs, asof, name, i + 1);
  }
  fs.AddFile(directory, "config.json", image_.config.json);
  fs.AddFile(directory, "manifest.json", image_.manifest_json);
  fs.AddFile(directory, "history.txt", std::move(history));
}

ComposedFs::OwnAttributes ImageViews::OwnAttributes() const {
  return {
      .uid = options_.uid.value_or(0),
      .gid = options_.gid.value_or(0),
      .mtime =
          ParseRfc3339(image_.config.created).value_or(Timestamp()).seconds};
}

}  // namespace imgmount

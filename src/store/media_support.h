// Putting and reading whole objects, in the order that the service keeps. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "store/media_index.h"

namespace latchkey::store::testing {

inline Bytes content_of(unsigned seed, std::uint64_t size) {
  std::mt19937 dice(seed);
  Bytes bytes(static_cast<std::size_t>(size));
  for (auto& byte : bytes) {
    byte = static_cast<std::uint8_t>(dice());
  }
  return bytes;
}

struct MediaCache {
  explicit MediaCache(const std::filesystem::path& folder, const std::string& vfs = {})
      : files(MediaFiles::open(folder).value()) {
    auto opened = MediaIndex::open(folder, files, {vfs, std::chrono::hours(24)});
    if (!opened) {
      throw std::runtime_error(opened.error().detail);
    }
    index = *std::move(opened);
  }
  MediaFiles files;
  std::unique_ptr<MediaIndex> index;
  MediaIndex::Space space{{std::uint64_t{1} << 40U, std::uint64_t{1} << 40U}, std::nullopt, 0};
  WallTime now{0};
};

inline Result<cache::ObjectRecord> put(MediaCache& cache, const cache::Partition& partition,
                                       const std::string& name, ByteSpan content,
                                       std::int64_t now = 1) {
  const auto number = cache.index->reserve(partition, MediaFiles::charge(content.size()),
                                           std::nullopt, cache.space);
  if (!number) {
    return fail(number.error());
  }
  const auto give_up = [&](const Error& error) {
    cache.files.remove_draft(*number);
    cache.index->release(*number);
    return fail(error);
  };
  auto draft = cache.files.make_draft(*number);
  if (!draft) {
    return give_up(draft.error());
  }
  // In pieces that are no divisor of a block.
  for (std::size_t at = 0; at < content.size(); at += 300'007) {
    const auto part = content.subspan(at, std::min<std::size_t>(300'007, content.size() - at));
    if (const auto done = draft->write(part); !done) {
      return give_up(done.error());
    }
  }
  const auto sealed = draft->finish();
  if (!sealed) {
    return give_up(sealed.error());
  }
  if (const auto published = cache.files.publish(*number); !published) {
    return give_up(published.error());
  }
  auto object = cache.index->publish(partition, name, *number, *sealed, {}, {now});
  if (!object) {
    cache.files.remove_object(*number);
    cache.index->release(*number);
    return fail(object.error());
  }
  return object->object;
}

inline Bytes read(MediaCache& cache, const cache::ObjectRecord& object) {
  const auto opened = cache.files.open_object(object);
  Bytes into(static_cast<std::size_t>(object.size));
  if (!opened || !(*opened)->read(0, into)) {
    ADD_FAILURE() << "cannot be read";
    return {};
  }
  return into;
}

}  // namespace latchkey::store::testing

// Collects a playlist's entries: each URL once, and not more than there may be.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "cache/playlist.h"

namespace latchkey::cache {

class EntryList {
 public:
  // False: there are too many.
  bool add(PlaylistEntry::Kind kind, const FetchUrl& base, std::string_view reference) {
    auto url = base.resolve(reference);
    if (!url) {
      return ++playlist_.skipped <= kMaxPlaylistEntries;
    }
    if (!seen_.insert(url->text()).second) {
      return true;
    }
    playlist_.entries.push_back({kind, *std::move(url)});
    return playlist_.entries.size() <= kMaxPlaylistEntries;
  }
  void set_live() { playlist_.live = true; }
  Playlist take() { return std::move(playlist_); }

 private:
  Playlist playlist_;
  std::set<std::string> seen_;
};

}  // namespace latchkey::cache

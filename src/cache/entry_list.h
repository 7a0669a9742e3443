// Collects a playlist's entries: each URL once, and not more than there may be. A URL that is media
// as well as something else is media.
#pragma once

#include <map>
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
      return skip();
    }
    const auto [seen, is_new] = seen_.try_emplace(url->text(), playlist_.entries.size());
    if (!is_new) {
      PlaylistEntry& before = playlist_.entries[seen->second];
      before.kind = kind == PlaylistEntry::Kind::kMedia ? kind : before.kind;
      return true;
    }
    playlist_.entries.push_back({kind, *std::move(url)});
    return playlist_.entries.size() <= kMaxPlaylistEntries;
  }
  // Something that is not fetched. False: there is too much of it.
  bool skip() { return ++playlist_.skipped <= kMaxPlaylistEntries; }
  void set_live() { playlist_.live = true; }
  Playlist take() { return std::move(playlist_); }

 private:
  Playlist playlist_;
  std::map<std::string, std::size_t> seen_;  // to the place in the entries
};

}  // namespace latchkey::cache

// Playlists that are kept. What a playlist leads to lies in the cache under names that are made
// from URLs (FetchUrl::name), so a reference like "360/a.ts" leads to the right object by itself.
// One that names a host or begins with '/' would lead back to the network, or nowhere: those are
// written anew, and nothing else of the text is changed. Qualities that were not chosen are left
// out, so that a player does not try what is not there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cache/playlist.h"

namespace latchkey::cache {

inline constexpr std::string_view kObjectsPath = "/objects/";

struct KeptPlaylist {
  Playlist leads_to;
  std::string text;  // as it is stored
};

// `from`: where the text came from, after redirects; `name`: what it is going to be called. The
// kind must be one.
latchkey::Result<KeptPlaylist, PlaylistError> keep_playlist(PlaylistKind kind,
                                                            std::string_view text,
                                                            const FetchUrl& from,
                                                            const ObjectName& name,
                                                            MaxBandwidth most = 0);

// What a text that keep_playlist() gave leads to.
latchkey::Result<Playlist, PlaylistError> read_kept(PlaylistKind kind, std::string_view text,
                                                    const ObjectName& name);

// For those who write references anew: how a player that got the text as the object `name` reads a
// reference in it.
class KeptPlace {
 public:
  explicit KeptPlace(const ObjectName& name);
  // What is to stand in place of `reference` in a text from `base`; nothing where it is right as it
  // is, or leads to nothing that is fetched. `folder`: others are relative to it.
  [[nodiscard]] std::optional<std::string> rewritten(const FetchUrl& base,
                                                     std::string_view reference,
                                                     bool folder = false) const;
  // What stands below `reference`, as it is written in the kept text, is read from there.
  [[nodiscard]] KeptPlace inside(std::string_view reference) const;

 private:
  explicit KeptPlace(std::optional<FetchUrl> here) : here_(std::move(here)) {}
  friend latchkey::Result<Playlist, PlaylistError> read_kept(PlaylistKind kind,
                                                             std::string_view text,
                                                             const ObjectName& name);
  std::optional<FetchUrl> here_;  // nothing: the name is too long for that
};

// By kind; internal.
latchkey::Result<KeptPlaylist, PlaylistError> keep_hls(std::string_view text, const FetchUrl& from,
                                                       const ObjectName& name, MaxBandwidth most);
latchkey::Result<KeptPlaylist, PlaylistError> keep_dash(std::string_view text, const FetchUrl& from,
                                                        const ObjectName& name, MaxBandwidth most);

}  // namespace latchkey::cache

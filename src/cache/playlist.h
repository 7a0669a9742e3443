// What a playlist leads to: HLS (RFC 8216) and DASH (ISO/IEC 23009-1), as much of them as says
// which URLs there are. Everything here comes from the network and is bounded; what is not
// understood is passed over, what cannot be a playlist is an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cache/fetch_url.h"
#include "wire/http_selection.h"

namespace latchkey::cache {

inline constexpr std::size_t kMaxPlaylistBytes = 4 << 20;
inline constexpr std::size_t kMaxPlaylistEntries = 50000;
inline constexpr std::size_t kMaxPlaylistDepth = 2;  // a playlist in a playlist

enum class PlaylistKind { kNone, kHls, kDash };

// By its type, or else by its first bytes.
PlaylistKind playlist_kind(std::string_view content_type, std::string_view begin);

struct PlaylistEntry {
  enum class Kind { kMedia, kInitialisation, kKey, kPlaylist };
  Kind kind = Kind::kMedia;
  FetchUrl url;
};

struct Playlist {
  // Each URL once, in the order in which a player would want them. A byte range of a file stands
  // for the file: the cache keeps whole objects and gives out the ranges itself.
  std::vector<PlaylistEntry> entries;
  bool live = false;        // it grows: what is there now is what is fetched
  std::size_t skipped = 0;  // references that are not fetched, templates without an end
};

enum class PlaylistError {
  kTooLarge,  // bytes, entries or a template without an end
  kMalformed,
};

// Of several qualities of the same thing: all of them where this is 0, else the best that needs up
// to so many bits a second, or the least where all need more.
using MaxBandwidth = std::uint64_t;

latchkey::Result<Playlist, PlaylistError> read_hls(std::string_view text, const FetchUrl& from,
                                                   MaxBandwidth most = 0);
// XML without a document type: no entities but the five, nothing is fetched while reading.
latchkey::Result<Playlist, PlaylistError> read_dash(std::string_view text, const FetchUrl& from,
                                                    MaxBandwidth most = 0);
// The kind must be one.
latchkey::Result<Playlist, PlaylistError> read_playlist(PlaylistKind kind, std::string_view text,
                                                        const FetchUrl& from,
                                                        MaxBandwidth most = 0);

// Which of these bandwidths that is; `offered` is not empty.
std::size_t choose_quality(const std::vector<std::uint64_t>& offered, MaxBandwidth most);

}  // namespace latchkey::cache

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/text.h"
#include "cache/entry_list.h"
#include "cache/keeping.h"

namespace latchkey::cache {

namespace {

using Kind = PlaylistEntry::Kind;

constexpr std::size_t kMaxLine = 16384;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
    line.remove_suffix(1);
  }
  return line;
}

// A quoted or bare attribute of a tag's list (RFC 8216 section 4.2).
std::optional<std::string_view> attribute(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t equals = list.find('=');
    if (equals == std::string_view::npos) {
      return std::nullopt;
    }
    std::string_view key = list.substr(0, equals);
    while (key.starts_with(' ')) {
      key.remove_prefix(1);
    }
    list.remove_prefix(equals + 1);
    std::string_view value;
    if (list.starts_with('"')) {
      const std::size_t end = list.find('"', 1);
      if (end == std::string_view::npos) {
        return std::nullopt;
      }
      value = list.substr(1, end - 1);
      list.remove_prefix(end + 1);
    } else {
      value = list.substr(0, list.find(','));
      list.remove_prefix(value.size());
    }
    if (key == name) {
      return value;
    }
    const std::size_t comma = list.find(',');
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return std::nullopt;
}

struct Tag {
  std::string_view prefix;
  Kind kind;
};
// Tags that name a file in URI="..."; others lead to no file that playing needs.
constexpr std::string_view kFastForward = "#EXT-X-I-FRAME-STREAM-INF:";
constexpr std::array<Tag, 7> kTags = {{{"#EXT-X-MAP:", Kind::kInitialisation},
                                       {"#EXT-X-KEY:", Kind::kKey},
                                       {"#EXT-X-SESSION-KEY:", Kind::kKey},
                                       {"#EXT-X-MEDIA:", Kind::kPlaylist},
                                       {kFastForward, Kind::kPlaylist},
                                       {"#EXT-X-PART:", Kind::kMedia},
                                       {"#EXT-X-SESSION-DATA:", Kind::kMedia}}};

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::optional<Tag> tag_of(std::string_view line) {
  for (const Tag& tag : kTags) {
    if (line.starts_with(tag.prefix)) {
      return tag;
    }
  }
  return std::nullopt;
}

// Bytes of the text, and what stands in their place when it is kept.
struct Edit {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string text;
};

struct Reader {
  EntryList& list;
  const FetchUrl& from;
  MaxBandwidth most;
  std::string_view text;
  const KeptPlace* place = nullptr;  // nullptr: it is only read
  std::vector<Edit> edits{};
  bool master = false;
  bool media = false;
  bool ended = false;
  std::optional<std::uint64_t> next_variant{};  // the bandwidth of the line that follows
  struct Variant {
    std::string_view uri;
    std::size_t begin = 0;  // of its tag's line
  };
  std::size_t tag_begin = 0;
  std::vector<Variant> variants{};
  std::vector<std::uint64_t> bandwidths{};

  [[nodiscard]] std::size_t at(std::string_view part) const {
    return static_cast<std::size_t>(part.data() - text.data());
  }
  // To the end of its line.
  [[nodiscard]] std::size_t line_end(std::size_t from_here) const {
    const std::size_t end = text.find('\n', from_here);
    return end == std::string_view::npos ? text.size() : end + 1;
  }
  bool add(Kind kind, std::string_view uri) {
    if (place != nullptr) {
      if (auto better = place->rewritten(from, uri)) {
        edits.push_back({at(uri), at(uri) + uri.size(), *std::move(better)});
      }
    }
    return list.add(kind, from, uri);
  }

  // False: there are too many entries.
  bool read(std::string_view line) {
    constexpr std::string_view kVariant = "#EXT-X-STREAM-INF:";
    if (const auto tag = tag_of(line)) {
      const std::string_view attributes = line.substr(tag->prefix.size());
      const auto uri = attribute(attributes, "URI");
      // Fast forward is not what somebody wants to keep who chose a quality.
      if (!uri || uri->empty()) {
        return true;
      }
      if (most != 0 && tag->prefix == kFastForward) {
        edits.push_back({at(line), line_end(at(line)), {}});
        return true;
      }
      return add(tag->kind, *uri);
    }
    if (line.starts_with(kVariant)) {
      master = true;
      tag_begin = at(line);
      std::uint64_t bits = 0;
      const auto digits = attribute(line.substr(kVariant.size()), "BANDWIDTH").value_or("");
      (void)std::from_chars(digits.data(), digits.data() + digits.size(), bits);
      next_variant = bits;
    } else if (line.starts_with("#EXTINF:") || line.starts_with("#EXT-X-TARGETDURATION:")) {
      media = true;
    } else if (line == "#EXT-X-ENDLIST") {
      ended = true;
    } else if (!line.starts_with('#')) {
      if (!next_variant) {
        return add(Kind::kMedia, line);
      }
      variants.push_back({line, tag_begin});
      bandwidths.push_back(*next_variant);
      next_variant.reset();
      return variants.size() <= kMaxPlaylistEntries;
    }
    return true;
  }

  bool add_variants() {
    if (variants.empty()) {
      return true;
    }
    const std::size_t chosen = most != 0 ? choose_quality(bandwidths, most) : 0;
    for (std::size_t i = 0; i < variants.size(); ++i) {
      const Variant& one = variants[i];
      if (most != 0 && i != chosen) {
        // What stands between the two lines is about something else.
        edits.push_back({one.begin, line_end(one.begin), {}});
        edits.push_back({at(one.uri), line_end(at(one.uri)), {}});
      } else if (!add(Kind::kPlaylist, one.uri)) {
        return false;
      }
    }
    return true;
  }

  std::string edited() {
    std::ranges::sort(edits, {}, &Edit::begin);
    std::string out;
    std::size_t done = 0;
    for (const Edit& edit : edits) {
      LATCHKEY_CHECK(edit.begin >= done);
      out.append(text.substr(done, edit.begin - done)).append(edit.text);
      done = edit.end;
    }
    return out.append(text.substr(done));
  }
};

latchkey::Result<KeptPlaylist, PlaylistError> read(std::string_view text, const FetchUrl& from,
                                                   MaxBandwidth most, const KeptPlace* place) {
  if (text.size() > kMaxPlaylistBytes) {
    return fail(PlaylistError::kTooLarge);
  }
  std::string_view rest = text;
  if (rest.starts_with(kByteOrderMark)) {
    rest.remove_prefix(kByteOrderMark.size());
  }
  if (!is_utf8(rest) || take_line(rest) != "#EXTM3U") {
    return fail(PlaylistError::kMalformed);
  }
  EntryList list;
  Reader reader{list, from, most, text, place};
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (line.size() > kMaxLine) {
      return fail(PlaylistError::kMalformed);
    }
    if (!line.empty() && !reader.read(line)) {
      return fail(PlaylistError::kTooLarge);
    }
  }
  if (reader.master && reader.media) {
    return fail(PlaylistError::kMalformed);  // section 4.1: never both
  }
  if (!reader.add_variants()) {
    return fail(PlaylistError::kTooLarge);
  }
  if (reader.media && !reader.ended) {
    list.set_live();
  }
  return KeptPlaylist{list.take(), place != nullptr ? reader.edited() : std::string()};
}

}  // namespace

latchkey::Result<Playlist, PlaylistError> read_hls(std::string_view text, const FetchUrl& from,
                                                   MaxBandwidth most) {
  auto done = read(text, from, most, nullptr);
  if (!done) {
    return fail(done.error());
  }
  return std::move(done->leads_to);
}

latchkey::Result<KeptPlaylist, PlaylistError> keep_hls(std::string_view text, const FetchUrl& from,
                                                       const ObjectName& name, MaxBandwidth most) {
  const KeptPlace place(name);
  return read(text, from, most, &place);
}

std::size_t choose_quality(const std::vector<std::uint64_t>& offered, MaxBandwidth most) {
  LATCHKEY_CHECK(!offered.empty());
  std::size_t best = 0;
  for (std::size_t i = 1; i < offered.size(); ++i) {
    const bool fits = offered[i] <= most;
    const bool best_fits = offered[best] <= most;
    const bool more = offered[i] > offered[best];
    if (fits != best_fits ? fits : more == fits && offered[i] != offered[best]) {
      best = i;
    }
  }
  return best;
}

PlaylistKind playlist_kind(std::string_view content_type, std::string_view begin) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  if (wire::iequals(type, "application/dash+xml")) {
    return PlaylistKind::kDash;
  }
  for (const char* hls : {"application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl",
                          "audio/x-mpegurl"}) {
    if (wire::iequals(type, hls)) {
      return PlaylistKind::kHls;
    }
  }
  if (begin.starts_with("#EXTM3U") || begin.starts_with("\xEF\xBB\xBF#EXTM3U")) {
    return PlaylistKind::kHls;
  }
  if (begin.starts_with("<?xml") || begin.starts_with("<MPD")) {
    return begin.find("<MPD") != std::string_view::npos ? PlaylistKind::kDash : PlaylistKind::kNone;
  }
  return PlaylistKind::kNone;
}

latchkey::Result<Playlist, PlaylistError> read_playlist(PlaylistKind kind, std::string_view text,
                                                        const FetchUrl& from, MaxBandwidth most) {
  LATCHKEY_CHECK(kind != PlaylistKind::kNone);
  return kind == PlaylistKind::kHls ? read_hls(text, from, most) : read_dash(text, from, most);
}

}  // namespace latchkey::cache

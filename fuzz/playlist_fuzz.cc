// Playlists from the network, HLS and DASH, and what they lead to.
#include <cstdint>
#include <set>
#include <string>

#include "base/result.h"
#include "cache/keeping.h"
#include "cache/playlist.h"

using latchkey::cache::FetchUrl;
using latchkey::cache::ObjectName;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const FetchUrl from = FetchUrl::parse("https://cdn.example/film/main?a=b").value();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const latchkey::cache::MaxBandwidth most : {0U, 3'000'000U}) {
    for (const bool hls : {true, false}) {
      const auto read = hls ? read_hls(text, from, most) : read_dash(text, from, most);
      if (!read) {
        continue;
      }
      LATCHKEY_CHECK(read->entries.size() <= latchkey::cache::kMaxPlaylistEntries);
      std::set<std::string> seen;
      for (const auto& entry : read->entries) {
        // Only https, one spelling, once, and by a name that the cache takes.
        const auto again = FetchUrl::parse(entry.url.text());
        LATCHKEY_CHECK(again && *again == entry.url && again->name() == entry.url.name());
        LATCHKEY_CHECK(entry.url.text().starts_with("https://"));
        LATCHKEY_CHECK(seen.insert(entry.url.text()).second);
        LATCHKEY_CHECK(ObjectName::from_target(entry.url.name().target()) == entry.url.name());
      }
      // As it is kept it still is one, and leads to nothing that the first did not.
      const auto kind =
          hls ? latchkey::cache::PlaylistKind::kHls : latchkey::cache::PlaylistKind::kDash;
      const auto kept = keep_playlist(kind, text, from, from.name(), most);
      if (!kept) {
        continue;
      }
      LATCHKEY_CHECK(kept->leads_to.entries.size() == read->entries.size());
      const auto again = read_kept(kind, kept->text, from.name());
      LATCHKEY_CHECK(again.has_value());
      if (hls) {
        std::set<ObjectName> names;
        for (const auto& entry : read->entries) {
          names.insert(entry.url.name());
        }
        for (const auto& entry : again->entries) {
          LATCHKEY_CHECK(names.contains(entry.url.name()));
        }
      }
    }
  }
  return 0;
}

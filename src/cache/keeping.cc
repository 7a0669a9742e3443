#include "cache/keeping.h"

namespace latchkey::cache {

namespace {

// Stands for the device. Nothing is ever asked of it.
constexpr std::string_view kDevice = "https://kept.invalid/objects/";
constexpr std::string_view kDeviceName = "kept.invalid/objects/";

bool is_folder(const FetchUrl& url) {
  return std::string_view(url.text()).substr(0, url.text().find('?')).ends_with('/');
}

}  // namespace

KeptPlace::KeptPlace(const ObjectName& name)
    : here_(FetchUrl::parse(std::string(kDevice) + name.target())) {}

std::optional<std::string> KeptPlace::rewritten(const FetchUrl& base, std::string_view reference,
                                                bool folder) const {
  const auto meant = base.resolve(reference);
  if (!meant) {
    return std::nullopt;
  }
  const auto led = here_ ? here_->resolve(reference) : std::nullopt;
  const bool same = led && led->name().text() == std::string(kDeviceName) + meant->name().text();
  if (same && (folder || !is_folder(*meant))) {
    return std::nullopt;
  }
  if (!folder) {
    return std::string(kObjectsPath) + meant->name().target();
  }
  // Not its name, which would be that of the folder's page.
  return std::string(kObjectsPath) + meant->text().substr(meant->text().find("//") + 2);
}

KeptPlace KeptPlace::inside(std::string_view reference) const {
  return KeptPlace(here_ ? here_->resolve(reference) : std::nullopt);
}

latchkey::Result<KeptPlaylist, PlaylistError> keep_playlist(PlaylistKind kind,
                                                            std::string_view text,
                                                            const FetchUrl& from,
                                                            const ObjectName& name,
                                                            MaxBandwidth most) {
  LATCHKEY_CHECK(kind != PlaylistKind::kNone);
  auto kept = kind == PlaylistKind::kHls ? keep_hls(text, from, name, most)
                                         : keep_dash(text, from, name, most);
  if (kept && kept->text.size() > kMaxPlaylistBytes) {
    return fail(PlaylistError::kTooLarge);
  }
  return kept;
}

latchkey::Result<Playlist, PlaylistError> read_kept(PlaylistKind kind, std::string_view text,
                                                    const ObjectName& name) {
  const KeptPlace place(name);
  if (!place.here_) {
    return fail(PlaylistError::kMalformed);
  }
  auto read = read_playlist(kind, text, *place.here_);
  if (!read) {
    return fail(read.error());
  }
  Playlist out;
  out.live = read->live;
  out.skipped = read->skipped;
  for (const PlaylistEntry& entry : read->entries) {
    const std::string& led = entry.url.text();
    auto url = led.starts_with(kDevice) ? FetchUrl::parse("https://" + led.substr(kDevice.size()))
                                        : std::nullopt;
    if (url) {
      out.entries.push_back({entry.kind, *std::move(url)});
    } else {
      ++out.skipped;
    }
  }
  return out;
}

}  // namespace latchkey::cache

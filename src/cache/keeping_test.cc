#include "cache/keeping.h"

#include <gtest/gtest.h>

namespace latchkey::cache {
namespace {

const FetchUrl kFrom = FetchUrl::parse("https://cdn.example/film/main.m3u8").value();

std::string kept(PlaylistKind kind, std::string_view text, const FetchUrl& from = kFrom,
                 MaxBandwidth most = 0) {
  const auto done = keep_playlist(kind, text, from, from.name(), most);
  return done ? done->text : "none";
}
std::vector<std::string> urls(const Playlist& list) {
  std::vector<std::string> out;
  for (const auto& entry : list.entries) {
    out.push_back(entry.url.text());
  }
  return out;
}

TEST(CacheKeeping, RelativeReferencesStayAsTheyAre) {
  constexpr std::string_view kText =
      "\xEF\xBB\xBF#EXTM3U\r\n#EXT-X-MAP:URI=\"init.mp4\"\r\n#EXTINF:6,\r\n360/a.m4s?t=1\r\n"
      "#EXTINF:6,\r\n../film/b%20c.m4s\r\n#EXT-X-ENDLIST\r\n";
  EXPECT_EQ(kept(PlaylistKind::kHls, kText), kText) << "byte for byte";
}

TEST(CacheKeeping, OthersLeadIntoTheCache) {
  constexpr std::string_view kText =
      "#EXTM3U\n#EXT-X-MAP:URI=\"https://CDN2.example:443/i.mp4\",BYTERANGE=\"10@0\"\n"
      "#EXT-X-KEY:METHOD=AES-128,URI=\"//keys.example:8443/k?id=1\",IV=0x1\n"
      "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://drm\"\n"
      "#EXTINF:6,\n/other/a.m4s\n#EXTINF:6,\nb.m4s\n#EXTINF:6,\nhttps://cdn.example/film/c d.m4s\n"
      "#EXTINF:6,\nhttps://cdn.example/film/c%20d/\n#EXTINF:6,\n../../../up.m4s\n";
  EXPECT_EQ(kept(PlaylistKind::kHls, kText),
            "#EXTM3U\n#EXT-X-MAP:URI=\"/objects/cdn2.example/i.mp4\",BYTERANGE=\"10@0\"\n"
            "#EXT-X-KEY:METHOD=AES-128,URI=\"/objects/keys.example:8443/k?id=1\",IV=0x1\n"
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://drm\"\n"
            "#EXTINF:6,\n/objects/cdn.example/other/a.m4s\n#EXTINF:6,\nb.m4s\n"
            "#EXTINF:6,\nhttps://cdn.example/film/c d.m4s\n"  // no URL: not fetched either
            "#EXTINF:6,\n/objects/cdn.example/film/c%20d/index\n"
            "#EXTINF:6,\n/objects/cdn.example/up.m4s\n");
}

TEST(CacheKeeping, AfterARedirectReferencesStillLeadToWhatWasFetched) {
  const auto asked = FetchUrl::parse("https://video.example/films/1").value();
  const auto done =
      keep_playlist(PlaylistKind::kHls, "#EXTM3U\n#EXTINF:6,\na.m4s\n", kFrom, asked.name());
  ASSERT_TRUE(done);
  EXPECT_EQ(done->text, "#EXTM3U\n#EXTINF:6,\n/objects/cdn.example/film/a.m4s\n");
}

TEST(CacheKeeping, WhatWasNotChosenIsLeftOut) {
  constexpr std::string_view kText =
      "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\n# small\nsmall.m3u8\n"
      "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI=\"i.m3u8\"\n"
      "#EXT-X-STREAM-INF:BANDWIDTH=500\n/big.m3u8\n#EXT-X-INDEPENDENT-SEGMENTS\n"
      "#EXT-X-STREAM-INF:BANDWIDTH=900\nhuge.m3u8";
  EXPECT_EQ(kept(PlaylistKind::kHls, kText, kFrom, 600),
            "#EXTM3U\n# small\n#EXT-X-STREAM-INF:BANDWIDTH=500\n/objects/cdn.example/big.m3u8\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n");
}

TEST(CacheKeeping, WhatStandsBetweenATagAndItsLineIsAboutSomethingElse) {
  constexpr std::string_view kText =
      "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"/sound.m3u8\"\n"
      "huge.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=100\nsmall.m3u8\n";
  EXPECT_EQ(kept(PlaylistKind::kHls, kText, kFrom, 200),
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"/objects/cdn.example/sound.m3u8\"\n"
            "#EXT-X-STREAM-INF:BANDWIDTH=100\nsmall.m3u8\n");
}

constexpr std::string_view kManifest =
    "<?xml version=\"1.0\"?><MPD mediaPresentationDuration=\"PT4S\">"
    "<BaseURL>https://cdn2.example/x/</BaseURL><BaseURL>https://mirror.example/x/</BaseURL>"
    "<Period><AdaptationSet><SegmentTemplate media=\"$RepresentationID$/$Number%05d$.m4s\" "
    "initialization=\"/init/$RepresentationID$.mp4\" duration=\"2\" startNumber=\"1\"/>"
    "<Representation id=\"a\" bandwidth=\"100\"/><Representation id=\"b\" bandwidth=\"500\"/>"
    "</AdaptationSet><AdaptationSet><Representation id=\"c\" bandwidth=\"7\">"
    "<BaseURL>sound.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>";

TEST(CacheKeeping, Manifests) {
  const auto done = keep_playlist(PlaylistKind::kDash, kManifest, kFrom, kFrom.name(), 200);
  ASSERT_TRUE(done);
  for (const char* part : {"<BaseURL>/objects/cdn2.example/x/</BaseURL>",
                           "media=\"$RepresentationID$/$Number%05d$.m4s\"",
                           "initialization=\"/objects/cdn2.example/init/$RepresentationID$.mp4\"",
                           "id=\"a\"", "<BaseURL>sound.mp4</BaseURL>"}) {
    EXPECT_NE(done->text.find(part), std::string::npos) << part << " in " << done->text;
  }
  EXPECT_EQ(done->text.find("mirror"), std::string::npos);
  EXPECT_EQ(done->text.find("id=\"b\""), std::string::npos);
  constexpr std::string_view kRelative =
      "<MPD><Period duration=\"PT2S\"><BaseURL>a/</BaseURL><AdaptationSet><Representation id=\"1\">"
      "<BaseURL>b.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>";
  EXPECT_EQ(kept(PlaylistKind::kDash, kRelative), kRelative) << "byte for byte";
}

TEST(CacheKeeping, WhatIsKeptLeadsToTheSameAgain) {
  constexpr std::string_view kText =
      "#EXTM3U\n#EXT-X-MAP:URI=\"https://cdn2.example/i.mp4\"\n#EXTINF:6,\n/other/a.m4s?x=1\n"
      "#EXTINF:6,\nb%20c.m4s\n#EXT-X-ENDLIST\n";
  for (const auto& [kind, text] :
       {std::pair{PlaylistKind::kHls, kText}, std::pair{PlaylistKind::kDash, kManifest}}) {
    const auto done = keep_playlist(kind, text, kFrom, kFrom.name());
    ASSERT_TRUE(done);
    const auto again = read_kept(kind, done->text, kFrom.name());
    ASSERT_TRUE(again);
    EXPECT_EQ(urls(*again), urls(done->leads_to));
    EXPECT_EQ(again->live, done->leads_to.live);
  }
  // What was not written anew leads away from the device: it was not fetched either.
  const auto stray =
      read_kept(PlaylistKind::kHls, "#EXTM3U\n#EXTINF:1,\nhttps://evil.example/a\n", kFrom.name());
  EXPECT_TRUE(stray->entries.empty());
  EXPECT_EQ(stray->skipped, 1U);
}

}  // namespace
}  // namespace latchkey::cache

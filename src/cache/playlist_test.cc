#include "cache/playlist.h"

#include <gtest/gtest.h>

#include "cache/segment_template.h"

namespace latchkey::cache {
namespace {

using Names = std::vector<std::string>;

const FetchUrl kFrom = FetchUrl::parse("https://cdn.example/film/main").value();

// "kind path", without the host where that is the playlist's.
Names names(const latchkey::Result<Playlist, PlaylistError>& read) {
  if (!read) {
    return {read.error() == PlaylistError::kTooLarge ? "too large" : "malformed"};
  }
  Names out;
  for (const auto& entry : read->entries) {
    static constexpr const char* kKinds[] = {"m ", "i ", "k ", "p "};
    std::string url = entry.url.text();
    constexpr std::string_view kHere = "https://cdn.example/film/";
    if (url.starts_with(kHere)) {
      url.erase(0, kHere.size());
    }
    out.push_back(kKinds[static_cast<std::size_t>(entry.kind)] + url);
  }
  return out;
}

constexpr std::string_view kMaster =
    "#EXTM3U\r\n#EXT-X-VERSION:6\r\n"
    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a,b\",NAME=\"x\",URI=\"audio/en.m3u8\"\r\n"
    "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"keys/1.key\"\r\n"
    "#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\r\n360/a.m3u8\r\n"
    "#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=1,BANDWIDTH=2500000\r\n720/a.m3u8\r\n"
    "#EXT-X-STREAM-INF:BANDWIDTH=6000000\r\n\r\n1080/a.m3u8\r\n"
    "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,URI=\"720/i.m3u8\"\r\n";

TEST(CacheHls, MasterPlaylists) {
  EXPECT_EQ(names(read_hls(kMaster, kFrom)),
            (Names{"p audio/en.m3u8", "k keys/1.key", "p 720/i.m3u8", "p 360/a.m3u8",
                   "p 720/a.m3u8", "p 1080/a.m3u8"}));
  EXPECT_FALSE(read_hls(kMaster, kFrom)->live);
}

TEST(CacheHls, OneQualityOfSeveral) {
  const auto chosen = [](MaxBandwidth most) {
    return names(read_hls(kMaster, kFrom, most)).back();
  };
  EXPECT_EQ(chosen(3'000'000), "p 720/a.m3u8");
  EXPECT_EQ(chosen(2'500'000), "p 720/a.m3u8");
  EXPECT_EQ(chosen(99'000'000), "p 1080/a.m3u8");
  EXPECT_EQ(chosen(1), "p 360/a.m3u8") << "the least, where all are too much";
  EXPECT_EQ(names(read_hls(kMaster, kFrom, 3'000'000)).size(), 3U);
}

TEST(CacheHls, MediaPlaylistsWithMapsKeysAndRanges) {
  constexpr std::string_view kText =
      "\xEF\xBB\xBF#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"720@"
      "0\"\n"
      "#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example/k?id=1\",IV=0x1\n"
      "#EXTINF:6.0,\n#EXT-X-BYTERANGE:1000@0\nall.mp4\n#EXTINF:6.0,\n#EXT-X-BYTERANGE:1000\nall."
      "mp4\n"
      "#EXT-X-KEY:METHOD=NONE\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://drm\"\n# a comment\n"
      "#EXTINF:2,title, with comma\n../other/2.m4s?t=1\n#EXT-X-ENDLIST\n";
  const auto read = read_hls(kText, kFrom);
  EXPECT_EQ(names(read), (Names{"i init.mp4", "k https://keys.example/k?id=1", "m all.mp4",
                                "m https://cdn.example/other/2.m4s?t=1"}));
  EXPECT_EQ(read->skipped, 1U);
  EXPECT_FALSE(read->live);
  EXPECT_TRUE(read_hls("#EXTM3U\n#EXTINF:6,\na.ts\n", kFrom)->live);
}

TEST(CacheHls, Threat46WhatIsNone) {
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string("\n#EXTM3U\n"), std::string("#EXTM3U8\n"),
        std::string("#EXTM3U\n\xff\n"), "#EXTM3U\n" + std::string(20000, 'a'),
        std::string("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXTINF:1,\nb\n")}) {
    EXPECT_EQ(names(read_hls(text, kFrom)), Names{"malformed"}) << text.substr(0, 40);
  }
  std::string many = "#EXTM3U\n";
  for (std::size_t i = 0; i <= kMaxPlaylistEntries; ++i) {
    many += "#EXTINF:1,\n" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(names(read_hls(many, kFrom)), Names{"too large"});
  EXPECT_EQ(names(read_hls("#EXTM3U\n" + std::string(kMaxPlaylistBytes, '\n'), kFrom)),
            Names{"too large"});
  // References to elsewhere are passed over, and counted.
  const auto read =
      read_hls("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXTINF:1,\nhttp://a.example/\n", kFrom);
  EXPECT_EQ(names(read), Names{});
  EXPECT_EQ(read->skipped, 2U);
  EXPECT_EQ(names(read_hls("#EXTM3U\n#EXT-X-MAP:URI=\"a", kFrom)), Names{});
  EXPECT_EQ(names(read_hls("#EXTM3U\n#EXT-X-MAP:,,=,\"URI=b", kFrom)), Names{});
}

std::string mpd(const std::string& inside, const std::string& attributes = "") {
  return "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" " + attributes +
         ">" + inside + "</MPD>";
}

TEST(CacheDash, TemplatesByNumber) {
  const std::string text = mpd(
      "<Period><AdaptationSet><SegmentTemplate timescale=\"1000\" duration=\"2000\" "
      "startNumber=\"3\" "
      "initialization=\"$RepresentationID$/init.mp4\" "
      "media=\"$RepresentationID$/$Number%03d$-$$.m4s\"/>"
      "<Representation id=\"v1\" bandwidth=\"100\"/><Representation id=\"v2\" bandwidth=\"300\"/>"
      "</AdaptationSet></Period>",
      "mediaPresentationDuration=\"PT5S\"");
  EXPECT_EQ(names(read_dash(text, kFrom)),
            (Names{"i v1/init.mp4", "m v1/003-$.m4s", "m v1/004-$.m4s", "m v1/005-$.m4s",
                   "i v2/init.mp4", "m v2/003-$.m4s", "m v2/004-$.m4s", "m v2/005-$.m4s"}));
  EXPECT_EQ(names(read_dash(text, kFrom, 200)).front(), "i v1/init.mp4");
  EXPECT_EQ(names(read_dash(text, kFrom, 200)).size(), 4U);
  EXPECT_EQ(names(read_dash(text, kFrom, 999)).front(), "i v2/init.mp4");
}

TEST(CacheDash, TimelinesPeriodsAndBases) {
  const std::string text = mpd(
      "<BaseURL> https://other.example/x/ </BaseURL>"
      "<Period duration=\"PT10S\"><BaseURL>p1/</BaseURL><AdaptationSet><Representation id=\"a\">"
      "<SegmentTemplate timescale=\"10\" media=\"$Time$.m4s\"><SegmentTimeline>"
      "<S t=\"5\" d=\"20\" r=\"1\"/><S d=\"10\"/><S t=\"60\" d=\"20\" r=\"-1\"/></SegmentTimeline>"
      "</SegmentTemplate></Representation></AdaptationSet></Period>"
      "<Period><AdaptationSet><SegmentTemplate duration=\"4\" media=\"$Number$\"/>"
      "<Representation id=\"b\"><BaseURL>b/</BaseURL></Representation></AdaptationSet></Period>",
      "mediaPresentationDuration=\"PT0H0M16.5S\"");
  const std::string base = "m https://other.example/x/";
  EXPECT_EQ(names(read_dash(text, kFrom)),
            (Names{base + "p1/5.m4s", base + "p1/25.m4s", base + "p1/45.m4s", base + "p1/60.m4s",
                   base + "p1/80.m4s", base + "b/1", base + "b/2"}));
}

TEST(CacheDash, ListsAndSingleFiles) {
  const std::string text =
      mpd("<Period><AdaptationSet><Representation><BaseURL>v.mp4</BaseURL>"
          "<SegmentBase indexRange=\"0-1\"><Initialization "
          "range=\"0-9\"/></SegmentBase></Representation>"
          "</AdaptationSet><AdaptationSet><Representation><SegmentList duration=\"2\">"
          "<Initialization sourceURL=\"i.mp4\"/><SegmentURL media=\"1.m4s\"/>"
          "<SegmentURL media=\"2.m4s?a=1&amp;b=2\"/></SegmentList></Representation></AdaptationSet>"
          "<AdaptationSet><Representation><BaseURL>w.mp4</BaseURL><SegmentList>"
          "<SegmentURL mediaRange=\"0-9\"/><SegmentURL mediaRange=\"10-19\"/></SegmentList>"
          "</Representation></AdaptationSet></Period>");
  EXPECT_EQ(names(read_dash(text, kFrom)),
            (Names{"m v.mp4", "i i.mp4", "m 1.m4s", "m 2.m4s?a=1&b=2", "m w.mp4"}));
  EXPECT_TRUE(read_dash(mpd("", "type=\"dynamic\""), kFrom)->live);
}

TEST(CacheDash, Threat46NoDocumentTypesNoEntitiesNoEndlessTemplates) {
  EXPECT_EQ(names(read_dash("<!DOCTYPE MPD [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>" +
                                mpd("<BaseURL>&a;</BaseURL>").substr(22),
                            kFrom)),
            Names{"malformed"});
  EXPECT_EQ(names(read_dash("<MPD>", kFrom)), Names{"malformed"});
  EXPECT_EQ(names(read_dash("<a/>", kFrom)), Names{"malformed"});
  EXPECT_EQ(names(read_dash("", kFrom)), Names{"malformed"});
  EXPECT_EQ(names(read_dash(mpd("<BaseURL>file:///etc/</BaseURL>"), kFrom)), Names{"malformed"});
  // Deep nesting is read without recursion.
  std::string deep;
  for (int i = 0; i < 100000; ++i) {
    deep += "<a>";
  }
  EXPECT_EQ(names(read_dash(deep, kFrom)), Names{"malformed"});
  const auto templated = [](const std::string& attributes, const std::string& inside = "") {
    return names(read_dash(
        mpd("<Period><AdaptationSet><Representation id=\"a\"><SegmentTemplate " + attributes + ">" +
                inside + "</SegmentTemplate></Representation></AdaptationSet></Period>",
            "mediaPresentationDuration=\"PT100000H\""),
        kFrom));
  };
  EXPECT_EQ(templated("duration=\"1\" media=\"$Number$\""), Names{"too large"});
  EXPECT_EQ(
      templated("duration=\"1\" startNumber=\"0\" endNumber=\"18446744073709551615\" media=\"a\""),
      Names{"too large"});
  EXPECT_EQ(
      templated(
          "media=\"$Time$\"",
          "<SegmentTimeline><S t=\"0\" d=\"1\" r=\"9223372036854775807\"/></SegmentTimeline>"),
      Names{"too large"});
  EXPECT_EQ(templated("media=\"same\"",
                      "<SegmentTimeline><S t=\"0\" d=\"1\" r=\"-1\"/></SegmentTimeline>"),
            Names{"too large"});
  EXPECT_EQ(
      templated("media=\"$Time$\"", "<SegmentTimeline><S d=\"0\" r=\"5\"/></SegmentTimeline>"),
      Names{});
  EXPECT_EQ(templated("duration=\"99999999999\" media=\"$Nonsense$\""), Names{});
}

TEST(CacheDash, TemplatesAndDurations) {
  SegmentNaming naming;
  naming.representation = "v";
  naming.bandwidth = 12;
  naming.number = 7;
  naming.time = 99;
  EXPECT_EQ(fill_template("$RepresentationID$-$Bandwidth$-$Number%05d$-$Time$", naming),
            "v-12-00007-99");
  for (const char* text : {"$", "$Number", "$Number%5d$", "$Number%099d$", "$Number%0d$",
                           "$number$", "$RepresentationID%05d$", "$SubNumber$"}) {
    EXPECT_EQ(fill_template(text, naming), std::nullopt) << text;
  }
  EXPECT_EQ(fill_template(std::string(3000, 'a'), naming), std::nullopt);
  EXPECT_EQ(parse_duration("PT1H2M3.5S"), 3723.5);
  EXPECT_EQ(parse_duration("P2DT1S"), 172801.0);
  for (const char* text :
       {"", "P", "PT", "1S", "PT1", "P1Y", "P1M", "PT-1S", "PTS", "PT1S ", "PTnanS"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(CachePlaylist, Kinds) {
  EXPECT_EQ(playlist_kind("application/vnd.apple.mpegurl; charset=utf-8", ""), PlaylistKind::kHls);
  EXPECT_EQ(playlist_kind("Application/DASH+xml", ""), PlaylistKind::kDash);
  EXPECT_EQ(playlist_kind("text/plain", "#EXTM3U\n"), PlaylistKind::kHls);
  EXPECT_EQ(playlist_kind("", "<?xml version='1.0'?><MPD>"), PlaylistKind::kDash);
  EXPECT_EQ(playlist_kind("", "<?xml version='1.0'?><svg>"), PlaylistKind::kNone);
  EXPECT_EQ(playlist_kind("video/mp4", ""), PlaylistKind::kNone);
}

}  // namespace
}  // namespace latchkey::cache

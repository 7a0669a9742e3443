#include "cache/fetching.h"

#include <gtest/gtest.h>

namespace latchkey::cache {
namespace {

using namespace std::chrono_literals;
using Kind = FetchPlan::Kind;
using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr WallTime kNow{1'700'000'000};

FetchAsk ask(const std::string& url = "https://video.example/a.mp4") {
  return {FetchUrl::parse(url).value(), "https://video.example"};
}
wire::HttpFields fields(const Fields& list) {
  wire::HttpFields out;
  for (const auto& [name, value] : list) {
    out.add(name, value);
  }
  return out;
}
FetchPlan judge(long status, const Fields& list, const FetchAsk& asked = ask()) {
  return judge_answer(status, fields(list), asked, kNow);
}

TEST(CacheFetching, AWholeObjectAndWhatIsKnownOfIt) {
  const auto plan = judge(200, {{"Content-Length", "1000"},
                                {"Content-Type", "video/mp4"},
                                {"ETag", "\"v1\""},
                                {"Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT"},
                                {"Cache-Control", "max-age=1"}});
  EXPECT_EQ(plan.kind, Kind::kWhole);
  EXPECT_EQ(plan.length, 1000U);
  EXPECT_EQ(plan.facts.type, "video/mp4");
  EXPECT_EQ(plan.facts.source, "https://video.example/a.mp4");
  EXPECT_EQ(plan.facts.source_tag, "\"v1\"");
  EXPECT_EQ(plan.facts.modified, 1'700'000'000);
  EXPECT_EQ(plan.facts.cache_control, "") << "that was for the way there";
}

TEST(CacheFetching, Threat46OnlyWhatThePageCouldReadItself) {
  const FetchAsk other = ask("https://bank.example/balance");
  EXPECT_EQ(judge(200, {}, other).why, "not_allowed");
  EXPECT_EQ(judge(302, {{"Location", "https://video.example/x"}}, other).why, "not_allowed");
  for (const Fields& no :
       {Fields{{"Access-Control-Allow-Origin", "https://music.example"}},
        Fields{{"Access-Control-Allow-Origin", "null"}},
        Fields{{"Access-Control-Allow-Origin", ""}},
        Fields{{"Access-Control-Allow-Origin", "*, https://video.example"}},
        Fields{{"Access-Control-Allow-Origin", "https://video.example "}},
        Fields{{"Access-Control-Allow-Origin", "*"}, {"Access-Control-Allow-Origin", "*"}}}) {
    EXPECT_EQ(judge(200, no, other).why, "not_allowed") << no.front().second;
  }
  EXPECT_EQ(judge(200, {{"Access-Control-Allow-Origin", "*"}}, other).kind, Kind::kWhole);
  EXPECT_EQ(judge(200, {{"access-control-allow-origin", "https://video.example"}}, other).kind,
            Kind::kWhole);
  // Another port, another scheme, or a host that only looks alike is another origin.
  for (const char* url : {"https://video.example:8443/a", "https://sub.video.example/a",
                          "https://video.example.evil.example/a"}) {
    EXPECT_EQ(judge(200, {}, ask(url)).why, "not_allowed") << url;
  }
  // The device's own page has no origin that a server could name.
  FetchAsk direct = other;
  direct.origin.clear();
  EXPECT_EQ(judge(200, {{"Access-Control-Allow-Origin", ""}}, direct).why, "not_allowed");
  EXPECT_EQ(judge(200, {{"Access-Control-Allow-Origin", "*"}}, direct).kind, Kind::kWhole);
}

TEST(CacheFetching, WhatIsWorthAnotherTry) {
  for (const long status : {408L, 421L, 425L, 429L, 500L, 502L, 503L, 504L}) {
    EXPECT_EQ(judge(status, {}).kind, Kind::kTryAgain) << status;
  }
  for (const long status : {0L, 201L, 204L, 300L, 305L, 400L, 401L, 403L, 404L, 410L, 416L, 501L}) {
    EXPECT_EQ(judge(status, {}).kind, Kind::kGone) << status;
    EXPECT_EQ(judge(status, {}).why, "http_" + std::to_string(status));
  }
  EXPECT_EQ(judge(503, {{"Retry-After", "120"}}).wait, 120s);
  EXPECT_EQ(judge(429, {{"Retry-After", "Tue, 14 Nov 2023 22:14:20 GMT"}}).wait, 60s);
  EXPECT_EQ(judge(429, {{"Retry-After", "Tue, 14 Nov 2023 22:12:20 GMT"}}).wait, 0s);
  EXPECT_EQ(judge(429, {{"Retry-After", "99999999999"}}).wait, 86400s);
  for (const char* odd : {"-5", "soon", "", "1e3", "5 "}) {
    EXPECT_FALSE(judge(503, {{"Retry-After", odd}}).wait) << odd;
  }
}

TEST(CacheFetching, Redirects) {
  const auto to = [](const char* location) {
    const auto plan = judge(302, {{"Location", location}});
    return plan.to ? plan.to->text() : plan.why;
  };
  EXPECT_EQ(to("https://cdn.example/b"), "https://cdn.example/b");
  EXPECT_EQ(to("b?x=1"), "https://video.example/b?x=1");
  EXPECT_EQ(to("//cdn.example/b"), "https://cdn.example/b");
  for (const char* bad : {"http://video.example/b", "file:///etc/passwd",
                          "https://u:p@cdn.example/", "gopher://x/", "", "https://"}) {
    const std::string text = to(bad);
    EXPECT_TRUE(text == "bad_redirect" || text == "https://video.example/a.mp4") << bad << text;
  }
  EXPECT_EQ(judge(301, {}).why, "bad_redirect");
  EXPECT_EQ(judge(301, {{"Location", "/a"}, {"Location", "/b"}}).why, "bad_redirect");
}

TEST(CacheFetching, ThePartThatIsMissing) {
  FetchAsk part = ask();
  part.have = 600;
  part.whole = 1000;
  const auto plan =
      judge(206, {{"Content-Range", "bytes 600-999/1000"}, {"Content-Length", "400"}}, part);
  EXPECT_EQ(plan.kind, Kind::kRest);
  EXPECT_EQ(plan.length, 1000U);
  EXPECT_EQ(judge(200, {{"Content-Length", "70"}}, part).kind, Kind::kWhole) << "it is another now";
  for (const char* range :
       {"bytes 0-999/1000", "bytes 601-999/1000", "bytes 600-998/1000", "bytes 600-1000/1000",
        "bytes 600-1999/2000", "bytes 600-999/*", "bytes */1000", "lines 600-999/1000", "600-999",
        "bytes 600-999/99999999999999999999", "bytes 999-600/1000", "bytes /600-999"}) {
    EXPECT_EQ(judge(206, {{"Content-Range", range}}, part).why, "bad_range") << range;
  }
  EXPECT_EQ(
      judge(206, {{"Content-Range", "bytes 600-999/1000"}, {"Content-Length", "399"}}, part).why,
      "bad_range");
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 0-9/10"}}).why, "bad_range") << "nobody asked";
}

TEST(CacheFetching, Threat46WhatIsNotTaken) {
  EXPECT_EQ(judge(200, {{"Content-Encoding", "gzip"}}).why, "encoded");
  EXPECT_EQ(judge(200, {{"Content-Length", "99999999999999999"}}).why, "too_large");
  EXPECT_EQ(judge(200, {{"Content-Length", "1000000000000000"}}).why, "too_large");
  FetchAsk little = ask();
  little.most = 100;
  EXPECT_EQ(judge(200, {{"Content-Length", "101"}}, little).why, "too_large");
  EXPECT_EQ(judge(200, {{"Content-Length", "100"}}, little).kind, Kind::kWhole);
  EXPECT_EQ(judge(200, {{"Content-Type", std::string(300, 'a')}}).facts.type, "");
  EXPECT_EQ(judge(304, {}).kind, Kind::kGone) << "nobody asked";
  FetchAsk held = ask();
  held.conditional = true;
  EXPECT_EQ(judge(304, {}, held).kind, Kind::kUnchanged);
}

TEST(CacheFetching, StrongValidators) {
  EXPECT_TRUE(is_strong_tag("\"v1\""));
  for (const char* weak : {"W/\"v1\"", "", "\"", "\"\"", "v1", "\"v1"}) {
    EXPECT_FALSE(is_strong_tag(weak)) << weak;
  }
}

}  // namespace
}  // namespace latchkey::cache

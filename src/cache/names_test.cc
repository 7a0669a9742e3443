#include "cache/names.h"

#include <gtest/gtest.h>

#include "cache/fetch_url.h"

namespace latchkey::cache {
namespace {

std::optional<std::string> read(std::string_view target) {
  const auto name = ObjectName::from_target(target);
  return name ? std::optional(name->text()) : std::nullopt;
}
std::optional<std::string> url(std::string_view text) {
  const auto parsed = FetchUrl::parse(text);
  return parsed ? std::optional(parsed->text()) : std::nullopt;
}

TEST(CacheNames, Threat46PartitionsDiffer) {
  const auto a = Partition::of(Origin::parse("https://video.example"));
  EXPECT_EQ(a, Partition::of(Origin::parse("https://video.example")));
  EXPECT_FALSE(a == Partition::of(Origin::parse("https://video.example:8443")));
  EXPECT_FALSE(a == Partition::of(Origin::parse("https://other.example")));
  EXPECT_FALSE(a == Partition::of(std::nullopt));
  EXPECT_EQ(Partition::of(std::nullopt).text(), "");
}

TEST(CacheNames, Threat46PartitionsOfPeopleDiffer) {
  const auto video = Origin::parse("https://video.example");
  const auto of = [&](std::string_view issuer, std::string_view user) {
    return Partition::of(video, Person::make(issuer, user));
  };
  const auto ann = of("https://idp.example", "ann");
  EXPECT_EQ(ann, of("https://idp.example", "ann"));
  EXPECT_EQ(ann.text(), "https://video.example https://idp.example ann");
  EXPECT_EQ(ann.origin(), "https://video.example");
  EXPECT_FALSE(ann == Partition::of(video));
  EXPECT_FALSE(ann == of("https://idp.example", "ben"));
  EXPECT_FALSE(ann == of("https://other.example", "ann")) << "another provider's ann";
  EXPECT_FALSE(ann == Partition::of(std::nullopt, Person::make("https://idp.example", "ann")));
  for (const Partition& one :
       {ann, Partition::of(video), Partition::of(std::nullopt),
        Partition::of(std::nullopt, Person::make("https://idp.example", "ann"))}) {
    EXPECT_EQ(Partition::parse(one.text()), one) << one.text();
  }
  for (const char* bad : {"video.example", "https://video.example ", "https://video.example x",
                          "https://video.example x ", "https://video.example x y z", "  "}) {
    EXPECT_FALSE(Partition::parse(bad)) << bad;
  }
  EXPECT_FALSE(Person::make("", "ann"));
  EXPECT_FALSE(Person::make("https://idp.example", "a b"));
  EXPECT_FALSE(Person::make("https://idp.example", std::string(256, 'a')));
}

TEST(CacheNames, NamesOfAllKinds) {
  EXPECT_EQ(read("films/1.mp4"), "films/1.mp4");
  EXPECT_EQ(read("a%20b/%C3%A9.ts"), "a b/\xC3\xA9.ts");
  EXPECT_EQ(read("a.m3u8?token=1%2F2"), "a.m3u8?token=1%2F2") << "a query stays as it is";
  EXPECT_EQ(read("a?"), "a?");
  EXPECT_EQ(read("..."), "...");
  EXPECT_EQ(read(".hidden"), ".hidden");
}

TEST(CacheNames, Threat46NoNameLeadsElsewhere) {
  for (const char* target :
       {"",       "/",     "/etc/passwd", "a/",     "a//b",       "..",    "../a",  "a/..",
        "a/../b", "a/./b", "%2e%2e/a",    "%2E%2e", "a%2f..%2fb", "a%2Fb", "a%5Cb", "..%5c..%5cb",
        "a%00",   "a%0Ab", "a%7F",        "a%",     "a%2",        "a%zz",  "%ff",   "%c0%af",
        "a%3Fb",  "?a",    "a?b c",       "a?\x01", "a?b#c"}) {
    EXPECT_EQ(read(target), std::nullopt) << target;
  }
  EXPECT_EQ(read(std::string(kMaxObjectName, 'a')).has_value(), true);
  EXPECT_EQ(read(std::string(kMaxObjectName + 1, 'a')), std::nullopt);
}

TEST(CacheNames, TargetsLeadBack) {
  for (const char* text : {"films/1.mp4", "a b/\xC3\xA9#.ts", "100%/x", "a?b=%20&c", "a+b;c"}) {
    const auto name = ObjectName::parse(text);
    ASSERT_TRUE(name) << text;
    EXPECT_EQ(ObjectName::from_target(name->target()), name) << name->target();
  }
}

TEST(CacheUrls, OnlyHttpsAndOnlyOneSpelling) {
  EXPECT_EQ(url("https://cdn.example/a.ts"), "https://cdn.example/a.ts");
  EXPECT_EQ(url("HTTPS://CDN.example:443/x/.././a%2D.ts?b=c"), "https://cdn.example/a%2D.ts?b=c");
  EXPECT_EQ(url("https://cdn.example"), "https://cdn.example/");
  EXPECT_EQ(url("https://cdn.example:8443/a"), "https://cdn.example:8443/a");
  for (const char* text : {"http://cdn.example/a",
                           "file:///etc/passwd",
                           "ftp://cdn.example/a",
                           "cdn.example/a",
                           "/a",
                           "https:///a",
                           "https:cdn.example",
                           "https://user@cdn.example/a",
                           "https://u:p@cdn.example/a",
                           "https://cdn.example/a#b",
                           "https://cdn.example/a b",
                           "https://cdn%2Eexample/a",
                           "https://[fe80::1%25eth0]/a",
                           "https://cdn.example:0/a",
                           "https://cdn.example:/a",
                           "https://cdn.example:99999/a",
                           "https://cdn.example/a%2Fb",
                           "https://cdn.example/a//b",
                           "",
                           "https://cdn.example/%00"}) {
    EXPECT_EQ(url(text), std::nullopt) << text;
  }
  EXPECT_EQ(url("https://cdn.example/" + std::string(1000, 'a')), std::nullopt);
  EXPECT_TRUE(FetchUrl::parse("http://127.0.0.1:8080/a", FetchUrl::Schemes::kHttpToo));
}

TEST(CacheUrls, NamesFollowPaths) {
  const auto name = [](std::string_view text) { return FetchUrl::parse(text)->name().text(); };
  EXPECT_EQ(name("https://cdn.example/film/1.ts"), "cdn.example/film/1.ts");
  EXPECT_EQ(name("https://cdn.example:8443/film/1.ts?a=b"), "cdn.example:8443/film/1.ts?a=b");
  EXPECT_EQ(name("https://cdn.example/"), "cdn.example/index");
  EXPECT_EQ(name("https://cdn.example/film/?a"), "cdn.example/film/index?a");
  EXPECT_EQ(name("https://[2001:db8::1]/a"), "[2001:db8::1]/a");
}

TEST(CacheUrls, ReferencesResolve) {
  const auto base = FetchUrl::parse("https://cdn.example/film/master.m3u8?x=1").value();
  const auto at = [&base](std::string_view reference) {
    const auto found = base.resolve(reference);
    return found ? found->text() : std::string();
  };
  EXPECT_EQ(at("720/a.m3u8"), "https://cdn.example/film/720/a.m3u8");
  EXPECT_EQ(at("../b"), "https://cdn.example/b");
  EXPECT_EQ(at("/c"), "https://cdn.example/c");
  EXPECT_EQ(at("//other.example/d"), "https://other.example/d");
  EXPECT_EQ(at("https://other.example/e#f"), "https://other.example/e");
  EXPECT_EQ(at(""), "https://cdn.example/film/master.m3u8?x=1");
  EXPECT_EQ(at("../../../../b"), "https://cdn.example/b");
  for (const char* reference : {"http://cdn.example/a", "data:text/plain,a", "skd://key", "a b",
                                "file:///etc/passwd", "//user@cdn.example/a"}) {
    EXPECT_EQ(at(reference), "") << reference;
  }
}

}  // namespace
}  // namespace latchkey::cache

#include "front/metrics.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

namespace latchkey::front {
namespace {

TEST(MetricsTest, CountsAreWhereTheyBelong) {
  Metrics metrics;
  metrics.count_request(false, 206, 100);
  metrics.count_request(true, 204, 0);
  metrics.count_request(true, 403, 20);
  metrics.count_request(true, 0, 0);
  metrics.count_request(true, 999, 0);
  metrics.count(Refusal::kSlowReader);
  metrics.count(UpstreamError::kCut);
  metrics.handshakes = {3, 4};
  const std::string text = exposition(metrics, {5, 6, 7});
  for (const char* line :
       {"latchkey_requests_total{http=\"1\",status=\"2xx\"} 1\n",
        "latchkey_requests_total{http=\"2\",status=\"2xx\"} 1\n",
        "latchkey_requests_total{http=\"2\",status=\"4xx\"} 1\n",
        "latchkey_requests_total{http=\"2\",status=\"none\"} 2\n",
        "latchkey_sent_bytes_total 120\n", "latchkey_handshakes_total{resumed=\"false\"} 3\n",
        "latchkey_handshakes_total{resumed=\"true\"} 4\n",
        "latchkey_refused_total{reason=\"slow_reader\"} 1\n",
        "latchkey_refused_total{reason=\"connections\"} 0\n",
        "latchkey_upstream_errors_total{kind=\"cut\"} 1\n", "latchkey_connections 5\n",
        "latchkey_sessions 6\n", "latchkey_grants 7\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

// The grammar of https://prometheus.io/docs/instrumenting/exposition_formats/, as far as we use it:
// HELP and TYPE once before the samples of a family, no sample twice.
TEST(MetricsTest, TheFormatIsPrometheus) {
  std::istringstream lines(exposition({}, {}));
  const std::regex help("# HELP ([a-z_]+) [ -~]+\\.");
  const std::regex type("# TYPE ([a-z_]+) (counter|gauge)");
  const std::regex sample(
      "([a-z_]+)(\\{[a-z]+=\"[a-z0-9_]+\"(,[a-z]+=\"[a-z0-9_]+\")*\\})? [0-9]+");
  std::set<std::string> families;
  std::set<std::string> samples;
  std::string family;
  std::string line;
  std::smatch match;
  while (std::getline(lines, line)) {
    if (std::regex_match(line, match, help)) {
      family = match[1];
      EXPECT_TRUE(families.insert(family).second);
      ASSERT_TRUE(std::getline(lines, line));
      ASSERT_TRUE(std::regex_match(line, match, type)) << line;
      EXPECT_EQ(match[1], family);
      EXPECT_EQ(match[2] == "counter", family.ends_with("_total"));
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_EQ(match[1], family);
      EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second);
    }
  }
  EXPECT_GT(samples.size(), 20U);
}

}  // namespace
}  // namespace latchkey::front

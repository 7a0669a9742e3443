#include "front/metrics.h"

namespace latchkey::front {

namespace {

constexpr std::array<std::string_view, kRefusals> kRefusalNames = {
    "connections", "connections_of_address",
    "handshakes",  "handshakes_of_address",
    "slow_head",   "slow_body",
    "slow_reader"};
constexpr std::array<std::string_view, kUpstreamErrors> kUpstreamNames = {"unreachable",
                                                                          "no_answer", "cut"};
constexpr std::array<std::string_view, 6> kClasses = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
constexpr std::array<std::string_view, 2> kVersions = {"1", "2"};
constexpr std::array<std::string_view, 2> kYesNo = {"false", "true"};

class Page {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "latchkey_" + std::string(name);
    text_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " +
             std::string(type) + "\n";
  }
  void sample(std::uint64_t value, const std::string& labels = "") {
    text_ +=
        name_ + (labels.empty() ? "" : "{" + labels + "}") + " " + std::to_string(value) + "\n";
  }
  template <std::size_t N>
  void samples(const std::array<std::uint64_t, N>& values, std::string_view label,
               const std::array<std::string_view, N>& names) {
    for (std::size_t i = 0; i < N; ++i) {
      sample(values[i], pair(label, names[i]));
    }
  }
  static std::string pair(std::string_view label, std::string_view value) {
    return std::string(label) + "=\"" + std::string(value) + "\"";
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

}  // namespace

void Metrics::count_request(bool http2, int status, std::uint64_t bytes) {
  const bool known = status >= 100 && status < 600;
  ++requests[http2 ? 1 : 0][known ? static_cast<std::size_t>(status / 100) : 0];
  sent_bytes += bytes;
}

std::string exposition(const Metrics& metrics, const Gauges& gauges) {
  Page page;
  page.family("requests_total", "counter",
              "Requests at granted hosts, by version of HTTP and class of status.");
  for (std::size_t version = 0; version < kVersions.size(); ++version) {
    for (std::size_t i = 0; i < kClasses.size(); ++i) {
      page.sample(metrics.requests[version][i],
                  Page::pair("http", kVersions[version]) + "," + Page::pair("status", kClasses[i]));
    }
  }
  page.family("sent_bytes_total", "counter", "Bytes of bodies that were sent to clients.");
  page.sample(metrics.sent_bytes);
  page.family("handshakes_total", "counter", "TLS handshakes, and whether they resumed a session.");
  page.samples(metrics.handshakes, "resumed", kYesNo);
  page.family("failed_handshakes_total", "counter", "TLS handshakes that did not succeed.");
  page.sample(metrics.failed_handshakes);
  page.family("refused_total", "counter", "Connections and requests given up, by reason.");
  page.samples(metrics.refused, "reason", kRefusalNames);
  page.family("upstream_errors_total", "counter", "What went wrong with the service behind.");
  page.samples(metrics.upstream_errors, "kind", kUpstreamNames);
  page.family("connections", "gauge", "Open connections.");
  page.sample(gauges.connections);
  page.family("sessions", "gauge", "Open sessions.");
  page.sample(gauges.sessions);
  page.family("grants", "gauge", "Permissions that are served.");
  page.sample(gauges.grants);
  return page.take();
}

}  // namespace latchkey::front

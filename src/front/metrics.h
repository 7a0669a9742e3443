// What the device counts about itself, as Prometheus reads it (text exposition format 0.0.4). No
// name of a host, a web service or a person is in it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace latchkey::front {

enum class Refusal : std::size_t {
  kConnections,           // all places taken
  kConnectionsOfAddress,  // those of one client
  kHandshakes,            // too many that have not ended
  kHandshakesOfAddress,
  kSlowHead,    // a request that does not get to its end
  kSlowBody,    // a body that comes too slowly
  kSlowReader,  // an answer that nobody takes
};
inline constexpr std::size_t kRefusals = 7;

enum class UpstreamError : std::size_t { kUnreachable, kNoAnswer, kCut };
inline constexpr std::size_t kUpstreamErrors = 3;

// Counters; they only grow while the program runs.
struct Metrics {
  // By version of HTTP (1, 2) and class of status (1xx to 5xx; 0: nothing was answered).
  std::array<std::array<std::uint64_t, 6>, 2> requests{};
  std::uint64_t sent_bytes = 0;               // of bodies
  std::array<std::uint64_t, 2> handshakes{};  // full, resumed
  std::uint64_t failed_handshakes = 0;
  std::array<std::uint64_t, kRefusals> refused{};
  std::array<std::uint64_t, kUpstreamErrors> upstream_errors{};

  void count_request(bool http2, int status, std::uint64_t bytes);
  void count(Refusal why) { ++refused[static_cast<std::size_t>(why)]; }
  void count(UpstreamError what) { ++upstream_errors[static_cast<std::size_t>(what)]; }
};

// How things stand at this moment.
struct Gauges {
  std::size_t connections = 0;
  std::size_t sessions = 0;
  std::size_t grants = 0;
};

inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
std::string exposition(const Metrics& metrics, const Gauges& gauges);

}  // namespace latchkey::front

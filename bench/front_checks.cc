// What the device asks of every request before it serves it: whose host, who asks, which session.
// front.mjs sets the time against the CPU time of a whole request.
#include <benchmark/benchmark.h>

#include "front/desk.h"
#include "median_reporter.h"
#include "support/device_grant.h"
#include "support/fake_random.h"

namespace latchkey::bench {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kWall{1'800'000'000};
constexpr MonoTime kNow{1'000'000};
constexpr std::string_view kHost = "media-cache-k3f7x2m7q4ab.local";

struct Front {
  Front() {
    gate.on_trusted_time(grant.agent, kWall, kNow);
    // A house's worth of sessions, of which one is the request's.
    for (int i = 0; i < 50; ++i) {
      token = sessions.open(grant.grant_key(), 1h, kNow).token;
    }
    request = {"GET", "/films/1.mp4", 1, {}};
    auto& fields = request.fields;
    fields.add("Host", kHost);
    fields.add("Connection", "keep-alive");
    fields.add("sec-ch-ua", R"("Chromium";v="142", "Not_A Brand";v="99")");
    fields.add("sec-ch-ua-mobile", "?0");
    fields.add("sec-ch-ua-platform", R"("Linux")");
    fields.add("User-Agent",
               "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
               "Chrome/142.0.0.0 Safari/537.36");
    fields.add("Accept", "*/*");
    fields.add("Origin", "https://video.example");
    fields.add("Sec-Fetch-Site", "cross-site");
    fields.add("Sec-Fetch-Mode", "cors");
    fields.add("Sec-Fetch-Dest", "empty");
    fields.add("Accept-Encoding", "identity");
    fields.add("Accept-Language", "en-US,en;q=0.9");
    fields.add("Cookie", "__Host-latchkey=" + token);
  }
  front::Decision decide(bool service_reads_fields) {
    return desk.decide({request, kHost, "192.168.1.9", true, service_reads_fields}, grant, kNow);
  }

  testing::FakeRandom random;
  grant::DeviceGrant grant = testing::active_grant(
      random, SpkiHash::make(random), Origin::parse("https://video.example"), kHost, kWall);
  grant::TicketGate gate{random};
  grant::SessionTable sessions{random};
  front::Desk desk{gate, sessions, "media-cache"};
  std::string token;
  wire::HttpRequestHead request;
};

// The judgement alone.
void judge(benchmark::State& state) {
  Front front;
  for (auto _ : state) {
    auto decision = front.decide(false);
    if (!std::holds_alternative<front::Pass>(decision)) {
      state.SkipWithError("refused");
    }
    benchmark::DoNotOptimize(decision);
  }
}
BENCHMARK(judge)->Name("judge")->Repetitions(7)->ReportAggregatesOnly();

// And the fields that a service behind is told.
void judge_and_hand_on(benchmark::State& state) {
  Front front;
  for (auto _ : state) {
    auto decision = front.decide(true);
    benchmark::DoNotOptimize(decision);
  }
}
BENCHMARK(judge_and_hand_on)->Name("judge_and_hand_on")->Repetitions(7)->ReportAggregatesOnly();

}  // namespace
}  // namespace latchkey::bench

int main(int argc, char** argv) {
  latchkey::bench::initialize(argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

#include "platform/local_dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <array>

namespace latchkey::platform {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class Resolver {
 public:
  Resolver() : ready_(::res_ninit(&state_) == 0) {}
  ~Resolver() {
    if (ready_) {
      ::res_nclose(&state_);
    }
  }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  Resolver(Resolver&&) = delete;
  Resolver& operator=(Resolver&&) = delete;
  [[nodiscard]] bool ready() const { return ready_ && state_.nscount > 0; }
  struct __res_state& state() { return state_; }

 private:
  struct __res_state state_{};
  bool ready_;
};

// As glibc's resolver waits: `retrans` seconds for the first server, doubled and shared out for
// the later ones, and all of it `retry` times.
milliseconds patience(const struct __res_state& state) {
  int total = 0;
  for (int server = 0; server < state.nscount; ++server) {
    int wait = state.retrans << server;
    if (server > 0) {
      wait /= state.nscount;
    }
    total += std::max(wait, 1);
  }
  return milliseconds(1000) * total * state.retry;
}

}  // namespace

LocalDnsAnswer probe_local_dns(const std::optional<NameServer>& instead) {
  LocalDnsAnswer answer;
  Resolver resolver;
  auto& state = resolver.state();
  if (instead) {
    state.nscount = 1;
    state.nsaddr_list[0] = {};
    state.nsaddr_list[0].sin_family = AF_INET;
    state.nsaddr_list[0].sin_port = htons(instead->port);
    if (::inet_pton(AF_INET, instead->ipv4.c_str(), &state.nsaddr_list[0].sin_addr) != 1) {
      return answer;
    }
  }
  if (!resolver.ready()) {
    return answer;
  }
  answer.lookup_delay = patience(state);
  state.retrans = 1;
  state.retry = 1;
  std::array<unsigned char, 4096> reply{};
  const auto start = steady_clock::now();
  const int size = ::res_nquery(&state, "local", ns_c_in, ns_t_soa, reply.data(),
                                static_cast<int>(reply.size()));
  answer.took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
  if (size > 0) {
    answer.verdict = LocalDns::kServed;
  } else if (answer.took >= milliseconds(900)) {
    answer.verdict = LocalDns::kSilent;
  } else {
    answer.verdict = LocalDns::kFree;
  }
  return answer;
}

}  // namespace latchkey::platform

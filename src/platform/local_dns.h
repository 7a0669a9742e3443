// Whether the configured name servers serve a zone called "local".
//
// nss-mdns asks them for its SOA before every lookup of a .local name. A company's server that has
// the zone takes those names for itself, and certificates for .local would reach into its network:
// set-up refuses there. A server that does not answer at all holds up every lookup for about ten
// seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace latchkey::platform {

enum class LocalDns : std::uint8_t {
  kFree,       // answered that there is no such zone, or refused at once
  kServed,     // answered with a record
  kSilent,     // did not answer in time
  kNoServers,  // none is configured, or the resolver cannot be set up
};

struct LocalDnsAnswer {
  LocalDns verdict = LocalDns::kNoServers;
  std::chrono::milliseconds took{0};
  // What a silent server costs each lookup, by /etc/resolv.conf's own time-outs.
  std::chrono::milliseconds lookup_delay{0};
};

// A name server in place of the configured ones, for tests.
struct NameServer {
  std::string ipv4;
  std::uint16_t port = 53;
};

// Asks as nss-mdns does (res_nquery), but waits one second per server at most. Blocks: call it from
// the worker thread.
LocalDnsAnswer probe_local_dns(const std::optional<NameServer>& instead = std::nullopt);

}  // namespace latchkey::platform

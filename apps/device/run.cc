#include "device/run.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <iostream>
#include <utility>

#include "device/access_log.h"
#include "device/attester.h"
#include "device/device.h"
#include "device/file_backend.h"
#include "device/life.h"
#include "device/listening.h"
#include "device/network_hook.h"
#include "device/opening.h"
#include "device/profile.h"
#include "device/reset.h"
#include "device/sso_setup.h"
#include "device/store_door.h"
#include "device/upstream_backend.h"
#include "net/tls_memory.h"

namespace latchkey::device {

namespace {

namespace asio = boost::asio;

struct Setup {
  std::unique_ptr<store::DeviceStore> store;
  std::unique_ptr<AccessLog> log;
  Listening listening;
  std::optional<Listening> metrics;
  discovery::NetworkOptions network;
  std::unique_ptr<attest::Attester> attester;
  std::optional<oidc::Config> sso;
};

std::unique_ptr<Backend> make_backend(const RunOptions& options, net::Executor executor,
                                      const Timeouts& timeouts, const Clock& clock,
                                      front::Metrics& metrics) {
  if (!options.serve.empty()) {
    return FileBackend::open(options.serve, clock, executor);
  }
  const auto to = parse_upstream(options.upstream);
  return to ? std::make_unique<UpstreamBackend>(std::move(executor), *to, timeouts, metrics)
            : nullptr;
}

Timeouts timeouts_of(const FrontOptions& options) {
  Timeouts timeouts;
  timeouts.idle = std::chrono::seconds(options.idle_seconds);
  timeouts.head = std::chrono::seconds(options.head_seconds);
  timeouts.handshake = timeouts.head;
  timeouts.body = std::chrono::seconds(options.body_seconds);
  timeouts.stall = std::chrono::seconds(options.stall_seconds);
  timeouts.answer = std::chrono::seconds(options.answer_seconds);
  timeouts.upload_rate = options.min_upload_rate;
  return timeouts;
}

Limits limits_of(const FrontOptions& options) {
  Limits limits;
  limits.connections = options.max_connections;
  limits.per_address = options.max_connections_per_address;
  limits.streams = options.max_streams;
  return limits;
}

// True: live again, after a factory reset. The name that the options give is the old owner's then:
// it holds as long as they give it.
Result<bool, std::string> live(const RunOptions& options, Setup& setup, Random& random,
                               const Clock& clock, GivenName keep) {
  asio::io_context io(1);
  const Timeouts timeouts = timeouts_of(options.front);
  front::Metrics metrics;
  const auto backend = make_backend(options, io.get_executor(), timeouts, clock, metrics);
  if (!backend) {
    return fail(std::string("nothing to serve"));
  }
  auto profile = load_profile(*setup.store, random, options.name, options.type, keep);
  if (!profile) {
    return fail(profile.error().detail);
  }
  std::optional<oidc::RelyingParty> party;
  if (setup.sso) {
    party.emplace(copy_of(setup.sso->rules), random, registered_clients(*setup.store));
  }
  auto device = Device::open(
      {*setup.store, random, clock, options.model, setup.attester.get(), party ? &*party : nullptr},
      *std::move(profile), setup.listening.port);
  if (!device) {
    return fail(device.error().detail);
  }
  WindowOpener opener(io.get_executor(), **device);
  PageActs page({**device, opener, options.window_from_page});
  std::optional<SingleSignOn> sso;
  if (party) {
    sso.emplace(SingleSignOn::Parts{io.get_executor(), **device, *party, setup.sso->ca_file,
                                    offered_from(*setup.sso)});
    (*device)->on_sessions_ended([&sso](const auto& ended) { sso->sessions_ended(ended); });
  }
  // Before the life that uses it: it goes after it.
  const auto radio = open_radio(options, io.get_executor());
  if (!radio) {
    return fail("Bluetooth: " + radio.error());
  }
  std::optional<NetworkHook> hook;
  if (!options.network_hook.empty()) {
    hook.emplace(options.network_hook);
  }
  Life life(io, **device, opener,
            {**device, *backend, page, *setup.log, metrics, timeouts, limits_of(options.front),
             sso ? &*sso : nullptr, hook ? &*hook : nullptr},
            options.state, options.name, plan_of(options),
            std::chrono::seconds(options.front.drain_seconds));
  const int listener = ::dup(setup.listening.fd);
  if (!life.start(listener)) {
    return fail(std::string("the control socket could not be made"));
  }
  if (setup.metrics) {
    life.serve_metrics(::dup(setup.metrics->fd));
    std::cout << "metrics on " << setup.metrics->address << ':' << setup.metrics->port << '\n';
  }
  std::cout << "listening on " << setup.listening.address << ':' << setup.listening.port
            << std::endl;
  if (setup.network.mode != discovery::Mode::kOff) {
    life.announce(setup.network);
  }
  if (*radio) {
    life.speak_over(**radio);
  }
  io.run();
  if (life.failed()) {
    return fail(*life.failed());
  }
  return life.reset();
}

int prepare(const RunOptions& options, Random& random, StoreDoor& door, Setup& setup) {
  const auto mode = discovery::parse_mode(options.mdns);
  if (!mode) {
    return complain(kMisused, "--mdns is auto, system, builtin or off.", "See --help.");
  }
  setup.network = {*mode, options.interfaces, discovery::Loopback::kRefused, true};
  if (!is_device_type(options.type)) {
    return complain(kMisused, "\"" + options.type + "\" is not a kind of device.",
                    "Use small letters, digits and hyphens, such as media-cache.");
  }
  if (!options.upstream.empty() && !parse_upstream(options.upstream)) {
    return complain(kMisused, "--upstream must be a plain HTTP service on this machine.",
                    "For example: --upstream http://127.0.0.1:8080, or unix:/PATH of a socket");
  }
  struct stat info{};
  if (!options.serve.empty() &&
      (::stat(options.serve.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))) {
    return complain(kMisused, options.serve + " is not a folder.", "Give --serve a folder.");
  }
  auto attester = open_attester(options.attestation, random, net::SystemClock().wall_now());
  if (!attester) {
    return complain(attester.error().misused ? kMisused : kFailed, attester.error().message,
                    attester.error().hint);
  }
  setup.attester = *std::move(attester);
  if (!options.sso.empty()) {
    auto sso = read_sso(options.sso);
    if (!sso) {
      return complain(kMisused, sso.error(), "docs/single-sign-on.md says what belongs there.");
    }
    setup.sso = *std::move(sso);
  }
  if (!options.network_hook.empty() &&
      (!options.network_hook.is_absolute() || ::access(options.network_hook.c_str(), X_OK) != 0)) {
    return complain(kMisused, options.network_hook.string() + " is no program that can be run.",
                    "Give --network-hook the whole path of one.");
  }
  const auto metrics = parse_metrics_address(options.metrics);
  if (!options.metrics.empty() && !metrics) {
    return complain(kMisused, "--metrics must be a port of this machine itself.",
                    "For example: --metrics 127.0.0.1:9464");
  }
  setup.log =
      AccessLog::open(options.access_log, front::parse_access_format(options.access_log_format)
                                              .value_or(front::AccessFormat::kCombined));
  if (!setup.log) {
    return complain(kFailed, "The access log " + options.access_log + " cannot be written.",
                    "Check the folder and its permissions.");
  }
  if (const int code = open_records(options, random, door, setup.store); code != kDone) {
    return code;
  }
  if (const int code = open_front_port(options.listen, options.port, setup.listening);
      code != kDone) {
    return code;
  }
  if (metrics) {
    const auto at = listen_on(metrics->ip, metrics->port);
    if (!at) {
      return complain(kFailed, "The port for --metrics cannot be opened: " + at.error().message(),
                      "Choose another, or stop the program that has it.");
    }
    setup.metrics = *at;
  }
  give_up_low_ports();
  return kDone;
}

}  // namespace

int run(const RunOptions& options) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)net::keep_tls_buffers();
  net::SystemRandom random;
  const net::SystemClock clock;
  StoreDoor door(random, options.state, options.seal);
  Setup setup;
  if (const int code = prepare(options, random, door, setup); code != kDone) {
    return code;
  }
  const net::OwnedFd listener(setup.listening.fd);
  const net::OwnedFd metrics(setup.metrics ? setup.metrics->fd : -1);
  GivenName keep = GivenName::kStored;
  while (true) {
    const auto again = live(options, setup, random, clock, keep);
    if (!again) {
      return complain(kFailed, "The device cannot run: " + again.error(),
                      "Look at the messages above.");
    }
    if (!*again) {
      return kDone;
    }
    keep = GivenName::kForgotten;
  }
}

}  // namespace latchkey::device

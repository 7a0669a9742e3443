#include "device/run.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <iostream>
#include <utility>

#include "device/access_log.h"
#include "device/attester.h"
#include "device/beacon.h"
#include "device/bluetooth.h"
#include "device/control.h"
#include "device/device.h"
#include "device/file_backend.h"
#include "device/listening.h"
#include "device/memory_return.h"
#include "device/metrics_server.h"
#include "device/network_hook.h"
#include "device/opening.h"
#include "device/profile.h"
#include "device/radio.h"
#include "device/reset.h"
#include "device/server.h"
#include "device/sso_setup.h"
#include "device/store_door.h"
#include "device/upstream_backend.h"
#include "net/tls_memory.h"
#include "net/worker.h"

namespace latchkey::device {

namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kStopTime = std::chrono::seconds(2);
constexpr std::chrono::milliseconds kBeacon = std::chrono::hours(1);

// One life of the device, from start, or a factory reset, to stop or the next one.
class Life final : public Watcher {
 public:
  Life(asio::io_context& io, Device& device, WindowOpener& opener, Server::Parts parts,
       std::filesystem::path state, const std::optional<std::string>& given_name, ErasePlan plan,
       std::chrono::milliseconds drain)
      : io_(io),
        device_(device),
        log_(parts.log),
        drain_(drain),
        state_(std::move(state)),
        plan_(std::move(plan)),
        server_(io.get_executor(), parts),
        control_(io.get_executor(),
                 {device, opener, state_, given_name,
                  [this] { return beacon_ ? beacon_->status() : nlohmann::json(nullptr); },
                  [this] { return factory_reset(); }}),
        metrics_(io.get_executor(),
                 [this, &metrics = parts.metrics] {
                   return front::exposition(metrics, {server_.connections(), device_.sessions(),
                                                      device_.live_grants().size()});
                 }),
        memory_(io.get_executor(), parts.metrics),
        signals_(io, SIGTERM, SIGINT),
        reopen_(io, SIGHUP),
        deadline_(io),
        rid_(device),
        beacon_time_(io),
        stop_time_(io) {}

  bool start(int listener) {
    if (!control_.start((state_ / kControlSocket).string())) {
      return false;
    }
    server_.start(listener);
    memory_.start();
    wait_for_signal();
    wait_for_reopen();
    device_.watch(this);
    deadline_changed();
    renew_hourly();
    return true;
  }
  void announce(discovery::NetworkOptions options) {
    beacon_.emplace(io_, device_, rid_, std::move(options));
  }
  // `radio` outlives this.
  void speak_over(Radio& radio) {
    bluetooth_.emplace(io_.get_executor(), device_, radio,
                       [this](std::shared_ptr<net::GattStream> stream) {
                         server_.pair_over_bluetooth(std::move(stream));
                       });
    bluetooth_->update(rid_.value());
  }
  void serve_metrics(int listener) { metrics_.start(listener); }
  [[nodiscard]] bool reset() const { return reset_; }
  // Why a factory reset that has begun is not done.
  [[nodiscard]] const std::optional<std::string>& failed() const { return failed_; }

 private:
  void host_added(const HostName& host, bool direct) override {
    if (beacon_) {
      beacon_->add(host, direct);
    }
  }
  void host_removed(const HostName& host) override {
    if (beacon_) {
      beacon_->remove(host);
    }
  }
  void announcement_changed() override {
    // Who saw it during one window does not know it again during the next.
    const bool open = device_.window_is_open();
    if (!std::exchange(was_open_, open) && open) {
      rid_.renew();
    }
    if (beacon_) {
      beacon_->announce();
    }
    if (bluetooth_) {
      bluetooth_->update(rid_.value());
    }
  }
  void window_closed() override { server_.end_unproven(); }
  void deadline_changed() override {
    const auto next = device_.next_deadline();
    if (!next || stopping_) {
      return;
    }
    deadline_.expires_at(net::Deadline(std::chrono::milliseconds(next->ms)));
    deadline_.async_wait([this](const boost::system::error_code& error) {
      if (!error) {
        device_.on_time();
        deadline_changed();
      }
    });
  }

  // The first one lets answers that are under way go on for a while, the second one does not.
  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (error || stopping_) {
        return;
      }
      if (draining_ || resetting_ || drain_.count() == 0) {
        end(false);
        return;
      }
      draining_ = true;
      beacon_.reset();
      bluetooth_.reset();
      stop_time_.expires_after(drain_);
      stop_time_.async_wait([this](const boost::system::error_code& cut) {
        if (!cut) {
          end(false);
        }
      });
      wait_for_signal();
      // Not from inside of what has just been answered.
      server_.drain([this] { asio::post(io_, [this] { end(false); }); });
    });
  }
  void wait_for_reopen() {
    reopen_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) {
        if (!log_.reopen()) {
          spdlog::error(
              "the access log could not be opened anew; the old file is still written to");
        }
        wait_for_reopen();
      }
    });
  }

  void renew_hourly() {
    beacon_time_.expires_after(kBeacon);
    beacon_time_.async_wait([this](const boost::system::error_code& error) {
      if (!error) {
        rid_.renew();
        announcement_changed();
        renew_hourly();
      }
    });
  }

  // Everybody is cut off first; what is told afterwards is true. What has begun and cannot be done
  // ends the program: the next start goes on with it, and serves nobody before.
  net::Task<ResetResult> factory_reset() {
    if (stopping_ || resetting_) {
      co_return fail(std::string("the device is on its way out already"));
    }
    if (auto begun = begin_reset(state_, plan_); !begun) {
      co_return begun;
    }
    resetting_ = true;
    device_.watch(nullptr);
    server_.stop();
    beacon_.reset();
    bluetooth_.reset();
    // The work has a name because g++ 12 destroys a closure that is a temporary of co_await twice.
    auto erase = [plan = plan_] { return erase_content(plan); };
    const auto erased =
        co_await eraser_.run(io_.get_executor(), net::kNoDeadline, std::move(erase));
    ResetResult done = erased ? *erased : fail(std::string("it was cut off"));
    if (done) {
      done = erase_store(device_.store(), device_.random());
    }
    if (done) {
      done = end_reset(state_);
    }
    if (!done) {
      failed_ = done.error();
    }
    end(true);
    co_return done;
  }

  void end(bool reset) {
    if (stopping_) {
      return;
    }
    stopping_ = true;
    reset_ = reset;
    device_.watch(nullptr);
    boost::system::error_code ignored;
    signals_.cancel(ignored);
    reopen_.cancel(ignored);
    deadline_.cancel();
    beacon_time_.cancel();
    memory_.stop();
    // After a moment, so that whoever asked for it gets an answer, and others read "goodbye".
    stop_time_.expires_after(reset ? std::chrono::milliseconds(100) : std::chrono::milliseconds(0));
    stop_time_.async_wait([this](const boost::system::error_code&) { finish(); });
  }
  void finish() {
    beacon_.reset();
    bluetooth_.reset();
    server_.stop();
    control_.stop();
    metrics_.stop();
    stop_time_.expires_after(kStopTime);
    stop_time_.async_wait([this](const boost::system::error_code&) { io_.stop(); });
    wait_for_empty();
  }
  void wait_for_empty() {
    if (server_.empty() && control_.empty() && metrics_.empty()) {
      stop_time_.cancel();
      return;
    }
    // What was cancelled ends within the next turns of the loop.
    asio::post(io_, [this] { wait_for_empty(); });
  }

  asio::io_context& io_;
  Device& device_;
  AccessLog& log_;
  std::chrono::milliseconds drain_;
  std::filesystem::path state_;
  ErasePlan plan_;
  net::Worker eraser_;
  Server server_;
  Control control_;
  MetricsServer metrics_;
  MemoryReturn memory_;
  asio::signal_set signals_;
  asio::signal_set reopen_;
  asio::steady_timer deadline_;
  CurrentRid rid_;
  asio::steady_timer beacon_time_;
  asio::steady_timer stop_time_;
  std::optional<Beacon> beacon_;
  std::optional<Bluetooth> bluetooth_;
  bool was_open_ = false;
  bool stopping_ = false;
  bool draining_ = false;
  bool reset_ = false;
  bool resetting_ = false;
  std::optional<std::string> failed_;
};

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

// serve: the administration API over HTTPS, and publishing when something changes.
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <iostream>
#include <memory>

#include "api_server.h"
#include "commands.h"
#include "crypto/chain.h"
#include "provider/registry.h"
#include "publishing.h"
#include "store/file_shelf.h"
#include "store/provider_store.h"
#include "well_known_fetch.h"

namespace latchkey::providerd {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kLook{1000};       // for changes, also those of other processes
constexpr std::chrono::milliseconds kDebounce{2000};   // after the last change
constexpr std::chrono::milliseconds kPatience{10000};  // where changes do not stop coming
constexpr std::chrono::milliseconds kHeartbeat{60000};
constexpr std::chrono::milliseconds kStopTime{5000};
constexpr std::size_t kMaxPemFile = 262144;

struct ServeOptions {
  PublishOptions publishing;
  std::string listen = "127.0.0.1";
  std::uint16_t port = 8443;
  std::string tls_chain, tls_key;
  bool serve_files = false;
};

std::shared_ptr<const net::TlsIdentity> load_identity(Context& context,
                                                      const ServeOptions& options) {
  struct stat about{};
  if (::stat(options.tls_key.c_str(), &about) == 0 && (about.st_mode & 07) != 0) {
    std::cerr << "latchkey-provider: everybody may read " << options.tls_key
              << "; take that away: chmod o-rwx\n";
    return nullptr;
  }
  auto chain = read_input(context, options.tls_chain, kMaxPemFile);
  auto secret = chain ? read_input(context, options.tls_key, kMaxPemFile) : std::nullopt;
  if (!secret) {
    return nullptr;
  }
  const auto certificates = crypto::certificates_from_pem(*chain);
  const auto key = crypto::private_key_from_pem(*secret);
  wipe({reinterpret_cast<std::uint8_t*>(secret->data()), secret->size()});
  if (!certificates || certificates->empty() || !key) {
    std::cerr << "latchkey-provider: --tls-chain and --tls-key must be PEM, the key P-256\n";
    return nullptr;
  }
  auto identity = net::TlsIdentity::make(*key, *certificates);
  if (!identity) {
    std::cerr << "latchkey-provider: " << identity.error().detail << '\n';
    return nullptr;
  }
  return *identity;
}

// What one worker calls, with a connection to the database of its own.
struct Desk {
  Desk(std::unique_ptr<provider::Records> all, const Context& context)
      : records(std::move(all)),
        web(fetch_well_known({context.ca_file, context.allow_private})),
        registry(*records, *web),
        api(*records, registry, context.random, context.clock) {}
  std::unique_ptr<provider::Records> records;
  std::unique_ptr<provider::WellKnown> web;
  provider::Registry registry;
  provider::Api api;
};

// Publishes a moment after a change, and now and then to keep the lease and the date. All of it
// runs on one worker.
class Press {
 public:
  Press(std::unique_ptr<provider::Records> records, store::FileShelf& shelf, Context& context,
        const PublishOptions& options)
      : records_(std::move(records)),
        publisher_(*records_, shelf, options.settings()),
        clock_(context.clock),
        holder_(instance_name(context.random)) {}

  bool step(const provider::SigningKey& key, bool asked, bool new_key) {
    const MonoTime now = clock_.mono_now();
    const auto seq = records_->last_seq();
    if (!seq) {
      spdlog::warn("looking for changes: {}", seq.error().detail);
      return false;
    }
    if (*seq != seen_) {
      seen_ = *seq;
      changed_ = now;
      first_ = first_.value_or(now);
    }
    const bool settled = first_ && (now - changed_ >= kDebounce || now - *first_ >= kPatience);
    if (!asked && !new_key && !settled && now < heartbeat_) {
      return true;
    }
    heartbeat_ = now + kHeartbeat;
    first_.reset();
    const auto outcome = publisher_.publish(key, holder_, clock_.wall_now(), new_key);
    if (!outcome) {
      spdlog::warn("publishing: {}", outcome.error().detail);
      first_ = now;  // again, after a while
      changed_ = now + kPatience;
      return false;
    }
    if (outcome->done) {
      spdlog::info("published number {}: {} changes", outcome->no, outcome->changes);
    }
    return true;
  }
  void leave() { (void)records_->give_up_lease(holder_); }

 private:
  std::unique_ptr<provider::Records> records_;
  provider::Publisher publisher_;
  Clock& clock_;
  std::string holder_;
  std::uint64_t seen_ = 0;
  MonoTime changed_{}, heartbeat_{};
  std::optional<MonoTime> first_;
};

class Daemon {
 public:
  Daemon(Context& context, const ServeOptions& options, provider::SigningKey key,
         store::FileShelf& shelf)
      : context_(context),
        options_(options),
        key_(std::move(key)),
        shelf_(shelf),
        signals_(io_, SIGTERM, SIGINT, SIGHUP),
        stop_time_(io_),
        tasks_(io_.get_executor()) {}

  int run(std::array<std::unique_ptr<provider::Records>, 3> records,
          std::shared_ptr<const net::TlsIdentity> identity) {
    const auto listening = listen_at(options_.listen, options_.port);
    if (!listening) {
      std::cerr << "latchkey-provider: cannot listen: " << listening.error().detail << '\n';
      return kFailed;
    }
    const auto quick = std::make_shared<Desk>(std::move(records[0]), context_);
    const auto slow = std::make_shared<Desk>(std::move(records[1]), context_);
    press_ = std::make_shared<Press>(std::move(records[2]), shelf_, context_, options_.publishing);
    server_.emplace(
        io_.get_executor(),
        ApiServer::Parts{
            [quick](const provider::ApiRequest& asked) { return quick->api.handle(asked); },
            [slow](const provider::ApiRequest& asked) { return slow->api.handle(asked); },
            [this] { asked_ = true; }, options_.serve_files ? &shelf_ : nullptr, context_.clock,
            std::move(identity)});
    server_->start(listening->fd);
    tasks_.spawn(keep_publishing());
    wait_for_signal();
    std::cerr << "latchkey-provider: listening on " << options_.listen << " port "
              << listening->port << std::endl;
    io_.run();
    server_.reset();
    return kDone;
  }

 private:
  net::Task<void> keep_publishing() {
    while (!stopping_) {
      auto work = [press = press_, key = key_, asked = asked_, new_key = new_key_] {
        return press->step(key, asked, new_key);
      };
      asked_ = false;
      const bool had_new_key = new_key_;
      new_key_ = false;
      const auto done = co_await worker_.run(io_.get_executor(), net::kNoDeadline, std::move(work));
      new_key_ = new_key_ || (had_new_key && (!done || !*done));
      co_await net::sleep_until(net::after(kLook));
    }
  }
  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) {
        return;
      }
      if (signal != SIGHUP) {
        stop();
        return;
      }
      reload();
      wait_for_signal();
    });
  }
  // What cannot be read leaves in use what there is.
  void reload() {
    if (auto identity = load_identity(context_, options_)) {
      server_->show(std::move(identity));
    }
    auto key = load_signing_key(options_.publishing.signing, context_.clock.wall_now());
    if (!key) {
      spdlog::warn("the signing key stays as it is: {}", key.error().detail);
      return;
    }
    new_key_ = new_key_ || key->chain != key_.chain;
    key_ = *std::move(key);
    spdlog::info("keys read anew");
  }
  void stop() {
    stopping_ = true;
    server_->stop();
    tasks_.cancel();
    stop_time_.expires_after(kStopTime);
    stop_time_.async_wait([this](const boost::system::error_code&) { io_.stop(); });
    look_for_end();
  }
  void look_for_end() {
    if (server_->empty() && tasks_.empty() && !worker_.is_busy()) {
      press_->leave();
      stop_time_.cancel();
      return;
    }
    look_time_.expires_after(std::chrono::milliseconds(10));
    look_time_.async_wait([this](const boost::system::error_code&) { look_for_end(); });
  }

  Context& context_;
  const ServeOptions& options_;
  provider::SigningKey key_;
  store::FileShelf& shelf_;
  asio::io_context io_;
  asio::signal_set signals_;
  asio::steady_timer stop_time_;
  asio::steady_timer look_time_{io_};
  std::shared_ptr<Press> press_;
  bool asked_ = false, new_key_ = false, stopping_ = false;
  net::Worker worker_;
  std::optional<ApiServer> server_;
  net::TaskGroup tasks_;
};

void serve(Context& context, const ServeOptions& options) {
  context.exit = kFailed;
  std::signal(SIGPIPE, SIG_IGN);
  auto key = load_signing_key(options.publishing.signing, context.clock.wall_now());
  auto shelf = store::FileShelf::open(options.publishing.output);
  if (!key || !shelf) {
    complain(context, !key ? key.error() : shelf.error());
    return;
  }
  auto identity = load_identity(context, options);
  if (!identity) {
    return;
  }
  std::array<std::unique_ptr<provider::Records>, 3> records;
  for (auto& one : records) {
    auto opened = store::ProviderStore::open(context.database);
    if (!opened) {
      complain(context, opened.error());
      return;
    }
    one = *std::move(opened);
  }
  Daemon daemon(context, options, *std::move(key), *shelf);
  context.exit = daemon.run(std::move(records), std::move(identity));
}

}  // namespace

void add_serve_commands(CLI::App& app, Context& context) {
  auto options = std::make_shared<ServeOptions>();
  auto* command = app.add_subcommand(
      "serve", "Publish what changes, and serve the administration API over HTTPS");
  add_publish_options(*command, options->publishing);
  command->add_option("--listen", options->listen, "The address")->capture_default_str();
  command->add_option("--port", options->port, "The port; 0: any")->capture_default_str();
  command->add_option("--tls-chain", options->tls_chain, "The server's certificates (PEM)")
      ->required();
  command->add_option("--tls-key", options->tls_key, "Its key (PEM, P-256)")->required();
  command->add_flag("--serve-files", options->serve_files,
                    "Serve the published files too, for small set-ups");
  command->callback([&context, options] { serve(context, *options); });
}

}  // namespace latchkey::providerd

// Puts the parts together, and ends them in order.
#include <grp.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <optional>
#include <system_error>
#include <utility>

#include "media-cache/emptied.h"
#include "media-cache/options.h"
#include "media-cache/server.h"

namespace latchkey::mediacache {

namespace {

namespace asio = boost::asio;

constexpr int kBacklog = 256;
constexpr std::chrono::milliseconds kStopTime{5000};  // for answers under way
constexpr std::chrono::milliseconds kUpkeep{60'000};

int complain(int code, const std::string& what, const std::string& hint) {
  std::cerr << "latchkey-media-cache: " << what << '\n' << hint << '\n';
  return code;
}

// Nothing: there is no such group; errno says why.
std::optional<gid_t> find_group(const std::string& name) {
  errno = 0;
  const ::group* group = ::getgrnam(name.c_str());
  if (group == nullptr) {
    errno = errno == 0 ? EINVAL : errno;
    return std::nullopt;
  }
  return group->gr_gid;
}

std::string reason() {
  return std::generic_category().message(errno);
}

// Nothing: it could not be; errno says why.
net::OwnedFd listen_at(const Options& options, std::optional<gid_t> group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = options.socket.string();
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return {};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return {};
  }
  net::OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Nobody gets in between bind() and chmod().
  const mode_t before = ::umask(0177);
  const bool bound = fd.is_open() && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                            sizeof address) == 0;
  ::umask(before);
  if (!bound ||
      (group && (::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0 ||
                 ::chmod(path.c_str(), 0660) != 0)) ||
      ::listen(fd.get(), kBacklog) != 0) {
    return {};
  }
  return fd;
}

class Life {
 public:
  Life(asio::io_context& io, const Options& options, Vault& vault, Prefetcher* prefetcher,
       Server& server, const Clock& clock)
      : io_(io),
        prefetcher_(prefetcher),
        vault_(vault),
        server_(server),
        clock_(clock),
        signals_(io, SIGINT, SIGTERM),
        time_(io),
        upkeep_(io.get_executor()),
        folder_(io, options.state, MediaIndex::kFile, [this] { end_emptied(); }) {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) {
        told_ = true;
        stop();
      }
    });
    upkeep_.spawn(look_after());
  }
  // Whether it ended because a factory reset took everything away.
  [[nodiscard]] bool emptied() const { return emptied_ && !told_; }

 private:
  net::Task<void> look_after() {
    while (true) {
      auto work = [now = clock_.wall_now()](MediaIndex& index) -> Stored<bool> {
        const auto expired = index.expire_uploads(now);
        if (expired && *expired > 0) {
          spdlog::info("{} uploads that nobody went on with are gone", *expired);
        }
        (void)index.expire_jobs(now);
        (void)index.flush();
        return index.was_emptied();
      };
      const auto emptied = co_await vault_.ask(std::move(work));
      if (emptied && *emptied) {
        asio::post(io_, [this] { end_emptied(); });
        co_return;
      }
      co_await net::sleep_until(net::after(kUpkeep));
    }
  }
  // What is being played or written is the old owner's: nobody waits for its end.
  void end_emptied() {
    if (!std::exchange(emptied_, true) && !told_) {
      stop();
      server_.stop();
    }
  }
  void stop() {
    upkeep_.cancel();
    folder_.stop();
    server_.stop();
    if (prefetcher_ != nullptr) {
      prefetcher_->stop();
    }
    time_.expires_after(kStopTime);
    time_.async_wait([this](const boost::system::error_code& error) {
      if (!error) {
        server_.stop();
        io_.stop();
      }
    });
    wait_for_empty();
  }
  void wait_for_empty() {
    if (server_.empty() && upkeep_.empty() && (prefetcher_ == nullptr || prefetcher_->empty())) {
      time_.cancel();
      io_.stop();  // a signal may still be waited for
      return;
    }
    look_.expires_after(std::chrono::milliseconds(5));
    look_.async_wait([this](const boost::system::error_code&) { wait_for_empty(); });
  }

  asio::io_context& io_;
  Prefetcher* prefetcher_;
  Vault& vault_;
  Server& server_;
  const Clock& clock_;
  asio::signal_set signals_;
  asio::steady_timer time_;
  asio::steady_timer look_{io_};
  net::TaskGroup upkeep_;
  FolderWatch folder_;
  bool emptied_ = false;
  bool told_ = false;
};

}  // namespace

namespace {

MediaIndex::Options index_options(std::optional<gid_t> group) {
  MediaIndex::Options options;
  options.group = group;
  return options;
}

// From opening everything to letting go of it. True: a factory reset emptied the folder.
struct Ended {
  int code = kDone;
  bool emptied = false;
};

Ended live(const Options& options, std::optional<gid_t> group) {
  auto files = store::MediaFiles::open(options.state, group);
  if (!files) {
    return {complain(
        kFailed,
        "The folder " + options.state.string() + " cannot be used: " + files.error().detail + ".",
        "Check its permissions, or choose another with --state.")};
  }
  auto held = std::make_unique<store::MediaFiles>(*std::move(files));
  auto index = MediaIndex::open(options.state, *held, index_options(group));
  if (!index) {
    const bool busy = index.error().code == store::ErrorCode::kBusy;
    return {complain(
        kFailed,
        busy ? "A media cache already runs with the state in " + options.state.string() + "."
             : "The state in " + options.state.string() +
                   " cannot be opened: " + index.error().detail + ".",
        busy ? "Stop it first, or choose another folder with --state."
             : "Check the folder and its permissions, or choose another with --state.")};
  }
  if ((*index)->began_anew()) {
    spdlog::warn("the index was damaged: the cache begins anew, empty");
  }
  if ((*index)->reads_only()) {
    spdlog::warn("{} takes no writes: what is there can be read, nothing is kept",
                 options.state.string());
  }
  net::OwnedFd listener = listen_at(options, group);
  if (!listener.is_open()) {
    return {complain(kFailed, "Cannot listen at " + options.socket.string() + ": " + reason() + ".",
                     "Check the folder and --socket-group, or choose another with --socket.")};
  }
  Vault::Limits limits;
  limits.quota.whole = options.quota == 0 ? cache::kMaxObjectBytes * 64 : options.quota;
  // Half of the quota; where that is what the disk has, half of this (0), which only the disk
  // knows.
  limits.quota.per_origin =
      options.quota_per_origin == 0 ? options.quota / 2 : options.quota_per_origin;
  limits.keep_free = options.keep_free;
  net::SystemRandom random;
  const net::SystemClock clock;
  asio::io_context io(1);
  Ended ended;
  {
    Vault vault(io.get_executor(), std::move(held), *std::move(index), limits);
    std::optional<Prefetcher> prefetcher;
    if (!options.no_fetch) {
      cache::PrefetchLimits pace;
      pace.attempts = options.fetch_attempts == 0 ? pace.attempts : options.fetch_attempts;
      prefetcher.emplace(io.get_executor(), vault, random, clock,
                         FetchRules{options.ca_file, options.fetch_from}, pace);
      prefetcher->start();
    }
    Prefetcher* const fetching = prefetcher ? &*prefetcher : nullptr;
    ServeLimits serving;
    serving.per_person = options.per_person;
    Server server(io.get_executor(), vault, fetching, random, clock, serving);
    server.start(listener.release());
    Life life(io, options, vault, fetching, server, clock);
    std::cout << "listening at " << options.socket.string() << std::endl;
    io.run();
    ended.emptied = life.emptied();
  }
  if (!ended.emptied) {
    (void)::unlink(options.socket.c_str());
  }
  return ended;
}

}  // namespace

int run(const Options& options) {
  std::optional<gid_t> group;
  if (!options.group.empty()) {
    group = find_group(options.group);
    if (!group) {
      return complain(kFailed, "There is no group " + options.group + ": " + reason() + ".",
                      "Check --socket-group.");
    }
  }
  while (true) {
    const Ended ended = live(options, group);
    if (!ended.emptied) {
      return ended.code;
    }
    spdlog::warn("{} was emptied: nothing of before is known any more, it begins anew",
                 options.state.string());
  }
}

}  // namespace latchkey::mediacache

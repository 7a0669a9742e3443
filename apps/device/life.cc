#include "device/life.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <csignal>
#include <utility>

namespace latchkey::device {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds kStopTime = std::chrono::seconds(2);
constexpr std::chrono::milliseconds kBeacon = std::chrono::hours(1);

}  // namespace

Life::Life(asio::io_context& io, Device& device, WindowOpener& opener, Server::Parts parts,
           std::filesystem::path state, const std::optional<std::string>& given_name,
           ErasePlan plan, std::chrono::milliseconds drain)
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

bool Life::start(int listener) {
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

void Life::announce(discovery::NetworkOptions options) {
  beacon_.emplace(io_, device_, rid_, std::move(options));
}

void Life::speak_over(Radio& radio) {
  bluetooth_.emplace(
      io_.get_executor(), device_, radio,
      [this](std::shared_ptr<net::GattStream> stream) {
        server_.pair_over_bluetooth(std::move(stream));
      },
      [this](net::GattStream& stream) { return server_.has_proved(stream); });
  bluetooth_->update(rid_.value());
}

void Life::serve_metrics(int listener) {
  metrics_.start(listener);
}

void Life::host_added(const HostName& host, bool direct) {
  if (beacon_) {
    beacon_->add(host, direct);
  }
}

void Life::host_removed(const HostName& host) {
  if (beacon_) {
    beacon_->remove(host);
  }
}

void Life::announcement_changed() {
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

void Life::window_closed() {
  server_.end_unproven();
}

void Life::deadline_changed() {
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

void Life::wait_for_signal() {
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

void Life::wait_for_reopen() {
  reopen_.async_wait([this](const boost::system::error_code& error, int) {
    if (!error) {
      if (!log_.reopen()) {
        spdlog::error("the access log could not be opened anew; the old file is still written to");
      }
      wait_for_reopen();
    }
  });
}

void Life::renew_hourly() {
  beacon_time_.expires_after(kBeacon);
  beacon_time_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      rid_.renew();
      announcement_changed();
      renew_hourly();
    }
  });
}

net::Task<ResetResult> Life::factory_reset() {
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
  const auto erased = co_await eraser_.run(io_.get_executor(), net::kNoDeadline, std::move(erase));
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

void Life::end(bool reset) {
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

void Life::finish() {
  beacon_.reset();
  bluetooth_.reset();
  server_.stop();
  control_.stop();
  metrics_.stop();
  stop_time_.expires_after(kStopTime);
  stop_time_.async_wait([this](const boost::system::error_code&) { io_.stop(); });
  wait_for_empty();
}

void Life::wait_for_empty() {
  if (server_.empty() && control_.empty() && metrics_.empty()) {
    stop_time_.cancel();
    return;
  }
  // What was cancelled ends within the next turns of the loop.
  asio::post(io_, [this] { wait_for_empty(); });
}

}  // namespace latchkey::device

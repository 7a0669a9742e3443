#include "bluez/bus.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <utility>

namespace latchkey::bluez {

namespace asio = boost::asio;
using boost::system::error_code;

// Handlers that outlive the Bus see that it is gone.
struct Bus::Life {
  Bus* bus;
};

Result<std::unique_ptr<Bus>, std::string> Bus::open(const net::Executor& executor,
                                                    std::function<void()> lost) {
  try {
    auto connection = sdbus::createSystemBusConnection();
    std::unique_ptr<Bus> bus(new Bus(executor, std::move(connection), std::move(lost)));
    const int copy = ::fcntl(bus->connection_->getEventLoopPollData().fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      return fail(std::string("no descriptor is left"));
    }
    bus->descriptor_.assign(copy);
    bus->nudge();
    return bus;
  } catch (const sdbus::Error& error) {
    return fail(error.getMessage());
  } catch (const boost::system::system_error& error) {
    return fail(std::string(error.what()));
  }
}

Bus::Bus(const net::Executor& executor, std::unique_ptr<sdbus::IConnection> connection,
         std::function<void()> lost)
    : executor_(executor),
      life_(std::make_shared<Life>(Life{this})),
      connection_(std::move(connection)),
      lost_(std::move(lost)),
      descriptor_(executor),
      timer_(executor) {}

void Bus::mute() {
  life_->bus = nullptr;
  fallen_ = true;
}

Bus::~Bus() {
  mute();
  matches_.clear();
  proxies_.clear();
}

void Bus::call(const std::string& path, const std::string& interface, const std::string& method,
               const Write& write, Done done, std::chrono::milliseconds timeout) {
  try {
    auto& proxy = proxies_[path];
    if (!proxy) {
      proxy = sdbus::createProxy(*connection_, kService, path);
    }
    auto message = proxy->createMethodCall(interface, method);
    if (write) {
      write(message);
    }
    const auto guarded = [done = std::move(done)](sdbus::MethodReply& reply,
                                                  const sdbus::Error* error) {
      try {
        done(reply, error);
      } catch (const sdbus::Error&) {
        // A reply of another shape than BlueZ documents: as good as none.
      }
    };
    (void)proxy->callMethod(
        message, guarded,
        static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(timeout).count()));
  } catch (const sdbus::Error&) {
    fall();  // only where the bus itself is gone
  }
  nudge();
}

void Bus::tell(const std::string& path, const std::string& interface, const std::string& method,
               const Write& write) {
  call(
      path, interface, method, write, [](sdbus::MethodReply&, const sdbus::Error*) {},
      std::chrono::seconds(10));
}

bool Bus::match(const std::string& rule, std::function<void(sdbus::Message&)> on) {
  try {
    const auto guarded = [on = std::move(on)](sdbus::Message& message) {
      try {
        on(message);
      } catch (const sdbus::Error&) {
        // A signal of another shape.
      }
    };
    matches_.push_back(connection_->addMatch(rule, guarded));
  } catch (const sdbus::Error&) {
    return false;
  }
  nudge();
  return true;
}

std::unique_ptr<sdbus::IObject> Bus::object(const std::string& path) {
  return sdbus::createObject(*connection_, path);
}

std::string Bus::name() const {
  return connection_->getUniqueName();
}

void Bus::nudge() {
  if (std::exchange(nudged_, true)) {
    return;
  }
  asio::post(executor_, [life = life_] {
    if (life->bus != nullptr) {
      life->bus->nudged_ = false;
      life->bus->pump();
    }
  });
}

void Bus::pump() {
  if (fallen_) {
    return;
  }
  try {
    while (connection_->processPendingRequest()) {
    }
    arm();
  } catch (const sdbus::Error&) {
    fall();
  }
}

void Bus::arm() {
  const auto data = connection_->getEventLoopPollData();
  watch(data.events);
  if (data.timeout_usec == UINT64_MAX) {
    timer_.cancel();
    return;
  }
  // Since the start of CLOCK_MONOTONIC, which is the steady clock's too.
  timer_.expires_at(net::Deadline(std::chrono::microseconds(data.timeout_usec)));
  timer_.async_wait([life = life_](const error_code& error) {
    if (!error && life->bus != nullptr) {
      life->bus->pump();
    }
  });
}

void Bus::watch(short events) {
  const auto wait = [this](bool& waiting, asio::posix::stream_descriptor::wait_type type) {
    if (std::exchange(waiting, true)) {
      return;
    }
    descriptor_.async_wait(type, [life = life_, type](const error_code& error) {
      if (life->bus == nullptr) {
        return;
      }
      (type == asio::posix::stream_descriptor::wait_read ? life->bus->reading_
                                                         : life->bus->writing_) = false;
      if (!error) {
        life->bus->pump();
      }
    });
  };
  if ((events & POLLIN) != 0) {
    wait(reading_, asio::posix::stream_descriptor::wait_read);
  }
  if ((events & POLLOUT) != 0) {
    wait(writing_, asio::posix::stream_descriptor::wait_write);
  }
}

void Bus::fall() {
  if (std::exchange(fallen_, true)) {
    return;
  }
  timer_.cancel();
  asio::post(executor_, [life = life_] {
    if (life->bus != nullptr) {
      const auto lost = life->bus->lost_;  // it may destroy the Bus
      lost();
    }
  });
}

}  // namespace latchkey::bluez

#include "bluez/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

namespace latchkey::bluez {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kConnect = std::chrono::seconds(20);
constexpr std::chrono::milliseconds kAnswer = std::chrono::seconds(10);
constexpr std::size_t kMaxQueued = 64;
constexpr std::size_t kMaxValue = 512;

}  // namespace

Link::Link(const net::Executor& executor, AdapterWatcher& watcher, ServiceNames names,
           std::string device, Connection::Listener& listener)
    : executor_(executor),
      watcher_(watcher),
      names_(std::move(names)),
      device_(std::move(device)),
      listener_(&listener),
      socket_(executor),
      patience_(executor) {}

// Failing, the link is over.
void Link::ask(const std::string& path, const char* interface, const char* method,
               const Bus::Write& write, Then then, std::chrono::milliseconds timeout) {
  if (watcher_.bus() == nullptr) {
    end("Bluetooth is gone");
    return;
  }
  watcher_.bus()->call(
      path, interface, method, write,
      [self = shared_from_this(), method, then = std::move(then)](sdbus::MethodReply& reply,
                                                                  const sdbus::Error* error) {
        if (self->over_) {
          return;
        }
        if (error != nullptr) {
          self->end(std::string(method) + ": " + error->getMessage());
          return;
        }
        then(reply);
      },
      timeout);
}

void Link::start() {
  patience_.expires_after(kConnect + kAnswer);
  patience_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->over_ && !self->connected_) {
      self->end("it took too long");
    }
  });
  asio::post(executor_, [self = shared_from_this()] {
    if (!self->over_) {
      self->ask(
          self->device_, kDevice, "Connect", {},
          [self](sdbus::MethodReply&) { self->look_at_services(); }, kConnect);
    }
  });
}

void Link::look_at_services() {
  ask(
      device_, kProperties, "Get",
      [](sdbus::MethodCall& call) { call << kDevice << "ServicesResolved"; },
      [self = shared_from_this()](sdbus::MethodReply& reply) {
        sdbus::Variant value;
        reply >> value;
        if (value.containsValueOfType<bool>() && value.get<bool>() && !self->resolved_) {
          self->resolved_ = true;
          self->acquire();
        }
      },
      kAnswer);
}

void Link::on_changed(const std::string& path, const std::string& interface,
                      const Properties& changed) {
  if (over_ || path != device_ || interface != kDevice) {
    return;
  }
  if (property<bool>(changed, "Connected") == false) {
    apart_ = true;
    end("the connection was lost");
  } else if (property<bool>(changed, "ServicesResolved") == true && !resolved_) {
    resolved_ = true;
    acquire();
  }
}

void Link::on_removed(const std::string& path, const std::vector<std::string>& interfaces) {
  if (!over_ && path == device_ &&
      std::find(interfaces.begin(), interfaces.end(), kDevice) != interfaces.end()) {
    end("the device is gone");
  }
}

void Link::on_adapter_lost() {
  if (!over_) {
    end("Bluetooth is gone");
  }
}

void Link::acquire() {
  watcher_.list([self = shared_from_this()](const Objects& objects) {
    if (!self->over_) {
      self->find_characteristics(objects);
    }
  });
}

void Link::find_characteristics(const Objects& objects) {
  for (const auto& [path, interfaces] : objects) {
    const auto found = interfaces.find(kCharacteristic);
    if (found == interfaces.end() || !path.starts_with(device_ + "/")) {
      continue;
    }
    const auto uuid = property<std::string>(found->second, "UUID").value_or("");
    if (uuid == names_.to_device) {
      to_device_ = path;
    } else if (uuid == names_.from_device) {
      from_device_ = path;
    }
  }
  if (to_device_.empty() || from_device_.empty()) {
    end("it has not the service that it showed");
    return;
  }
  ask(
      from_device_, kCharacteristic, "AcquireNotify",
      [](sdbus::MethodCall& call) { call << Properties(); },
      [self = shared_from_this()](sdbus::MethodReply& reply) {
        sdbus::UnixFd fd;
        std::uint16_t mtu = 0;
        reply >> fd >> mtu;
        self->take_socket(fd.release(), mtu);
      },
      kAnswer);
}

void Link::take_socket(int fd, std::size_t mtu) {
  boost::system::error_code error;
  socket_.assign(fd, error);
  if (error) {
    ::close(fd);
    end(error.message());
    return;
  }
  patience_.cancel();
  connected_ = true;
  listener_->on_connected(mtu);
  if (!over_) {
    read();
    write_next();
  }
}

void Link::read() {
  socket_.async_wait(
      asio::posix::stream_descriptor::wait_read,
      [self = shared_from_this()](const boost::system::error_code& error) {
        if (self->over_) {
          return;
        }
        // A longer one shows as such, and ends the session (docs/protocol.md, section 13).
        std::array<std::uint8_t, kMaxValue + 1> value{};
        const auto got =
            error ? -1
                  : ::recv(self->socket_.native_handle(), value.data(), value.size(), MSG_DONTWAIT);
        if (got > 0) {
          self->listener_->on_value(ByteSpan(value).first(static_cast<std::size_t>(got)));
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
          self->end("nothing comes any more");
          return;
        }
        if (!self->over_) {
          self->read();
        }
      });
}

void Link::send(Bytes value) {
  if (over_ || hanging_up_) {
    return;
  }
  if (outgoing_.size() >= kMaxQueued) {
    outgoing_.clear();
    hang_up();
    return;
  }
  outgoing_.push_back(std::move(value));
  if (connected_) {
    write_next();
  }
}

// One at a time, and the next when the device has confirmed it: it says how fast.
void Link::write_next() {
  if (writing_ || over_) {
    return;
  }
  if (outgoing_.empty()) {
    if (hanging_up_) {
      disconnect();
    }
    return;
  }
  writing_ = true;
  const Bytes value = std::move(outgoing_.front());
  outgoing_.pop_front();
  ask(
      to_device_, kCharacteristic, "WriteValue",
      [&value](sdbus::MethodCall& call) {
        call << std::vector<std::uint8_t>(value.begin(), value.end())
             << Properties{{"type", sdbus::Variant(std::string("request"))}};
      },
      [self = shared_from_this()](sdbus::MethodReply&) {
        self->writing_ = false;
        self->listener_->on_value_taken();
        self->write_next();
      },
      kConnect);
}

void Link::hang_up() {
  if (over_ || std::exchange(hanging_up_, true)) {
    return;
  }
  if (!connected_ || (outgoing_.empty() && !writing_)) {
    disconnect();
  }
}

// BlueZ answers when the connection is gone, which takes it two seconds: another one to the same
// device has to wait for that.
void Link::disconnect() {
  ask(
      device_, kDevice, "Disconnect", {},
      [self = shared_from_this()](sdbus::MethodReply&) {
        self->apart_ = true;
        self->end("");
      },
      kAnswer);
}

void Link::drop() {
  if (!std::exchange(over_, true)) {
    patience_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);  // NOLINT(bugprone-unused-return-value): nothing to do about it
    if (watcher_.bus() != nullptr && !apart_) {
      watcher_.bus()->tell(device_, kDevice, "Disconnect");
    }
  }
}

// Told when the connection is gone: BlueZ takes two seconds for it, and who connects again before
// that gets the old one, which is then cut under them.
void Link::end(const std::string& why) {
  if (over_) {
    return;
  }
  const bool apart = std::exchange(apart_, true);
  drop();
  const auto tell = [self = shared_from_this(), why] {
    if (self->listener_ != nullptr) {
      self->listener_->on_disconnected(why);
    }
  };
  if (apart || watcher_.bus() == nullptr) {
    asio::post(executor_, tell);
    return;
  }
  watcher_.bus()->call(
      device_, kDevice, "Disconnect", {},
      [tell](sdbus::MethodReply&, const sdbus::Error*) { tell(); }, kAnswer);
}

}  // namespace latchkey::bluez

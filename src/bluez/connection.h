// Inside bluez: a connection as a central, from Device1.Connect to its end.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <string>

#include "bluez/bus.h"
#include "bluez/central.h"
#include "bluez/watcher.h"

namespace latchkey::bluez {

class Link : public std::enable_shared_from_this<Link> {
 public:
  Link(const net::Executor& executor, AdapterWatcher& watcher, ServiceNames names,
       std::string device, Connection::Listener& listener);

  void start();
  void send(Bytes value);
  void hang_up();
  // Nothing is told after it.
  void drop();
  // From whoever hears BlueZ's signals.
  void on_changed(const std::string& path, const std::string& interface, const Properties& changed);
  void on_removed(const std::string& path, const std::vector<std::string>& interfaces);
  void on_adapter_lost();
  void forget_listener() { listener_ = nullptr; }
  [[nodiscard]] bool is_to(const std::string& device) const { return !over_ && device == device_; }

 private:
  using Then = std::function<void(sdbus::MethodReply&)>;
  void ask(const std::string& path, const char* interface, const char* method,
           const Bus::Write& write, Then then, std::chrono::milliseconds timeout);
  void look_at_services();
  void find_characteristics(const Objects& objects);
  void acquire();
  void take_socket(int fd, std::size_t mtu);
  void read();
  void write_next();
  void disconnect();
  void end(const std::string& why);

  net::Executor executor_;
  AdapterWatcher& watcher_;
  ServiceNames names_;
  std::string device_;
  Connection::Listener* listener_;
  std::string to_device_;
  std::string from_device_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer patience_;
  std::deque<Bytes> outgoing_;
  bool connected_ = false;
  bool resolved_ = false;
  bool writing_ = false;
  bool hanging_up_ = false;
  bool apart_ = false;  // there is no connection to end
  bool over_ = false;
};

}  // namespace latchkey::bluez

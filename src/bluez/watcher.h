// Inside bluez: which adapter there is, over the ends and returns of the bus, of bluetoothd and of
// the adapter. What both ends, peripheral and central, have to know first.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "bluez/bus.h"
#include "bluez/condition.h"

namespace latchkey::bluez {

class AdapterWatcher {
 public:
  struct Events {
    // An adapter is there that was not, or not any more (empty): then all that BlueZ knew of us is
    // gone.
    std::function<void(const std::string& path)> adapter;
    // Every PropertiesChanged of BlueZ.
    std::function<void(const std::string& path, const std::string& interface, const Properties&)>
        changed;
    std::function<void(const std::string& path, const Interfaces&)> added;
    std::function<void(const std::string& path, const std::vector<std::string>& interfaces)>
        removed;
    std::function<void()> condition;  // condition() is another
  };
  // `needs`: the interface an adapter must have. Nothing is called before start().
  AdapterWatcher(net::Executor executor, std::string wanted, std::string needs, Events events);
  ~AdapterWatcher();
  AdapterWatcher(const AdapterWatcher&) = delete;
  AdapterWatcher& operator=(const AdapterWatcher&) = delete;

  void start();
  // Leaves the bus, soon. Objects on it must be gone before.
  void stop();
  // Null while there is none.
  [[nodiscard]] Bus* bus() const { return bus_.get(); }
  [[nodiscard]] const std::string& adapter() const { return adapter_; }
  [[nodiscard]] bool powered() const { return powered_; }
  [[nodiscard]] const Condition& condition() const { return condition_; }
  // What an owner found out. kReady while there is an adapter, else ignored.
  void set_condition(Condition condition);
  // The objects as BlueZ has them at this moment.
  void list(std::function<void(const Objects&)> then);

 private:
  void open();
  void close();
  void retry();
  void look();
  void choose(const Objects& objects);
  void lose_adapter(Condition::Kind why, std::string detail);
  bool match_signals();
  net::Executor executor_;
  std::string wanted_;
  std::string needs_;
  Events events_;
  std::unique_ptr<Bus> bus_;
  std::string adapter_;
  bool powered_ = false;
  Condition condition_;
  boost::asio::steady_timer retry_;
  std::shared_ptr<int> alive_;
  std::shared_ptr<int> epoch_;  // replies of an older bluetoothd are not ours any more
};

// What the error of a call means.
Condition condition_of(const sdbus::Error& error);

}  // namespace latchkey::bluez

// For tests: a house of two machines in network namespaces, joined by a veth pair: this thread is
// the home computer (pc0, 192.168.77.1), a second thread is the device (dev0, 192.168.77.2). Works
// as root, and for others where unprivileged user namespaces are allowed.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace latchkey::discovery {

class House {
 public:
  // Null when this system does not allow namespaces; `why` says what failed.
  static std::unique_ptr<House> build(std::string& why);
  ~House();
  House(const House&) = delete;
  House& operator=(const House&) = delete;
  House(House&&) = delete;
  House& operator=(House&&) = delete;

  // Runs on the device's thread, whose loop is device_io(), and waits until it returned.
  void on_device(const std::function<void()>& work);
  boost::asio::io_context& device_io() { return device_io_; }

 private:
  House() = default;
  boost::asio::io_context device_io_;
  std::jthread device_;
};

// Runs the loop until the condition holds; false after 20 s.
bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition);

// A program that runs beside the test and ends with it.
class Program {
 public:
  explicit Program(std::vector<std::string> command);
  ~Program() { stop(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  Program(Program&&) = delete;
  Program& operator=(Program&&) = delete;
  void stop();
  // Waits for its end; its standard output.
  static std::string output(const std::string& command);

 private:
  pid_t pid_ = -1;
};

// A private system bus with an avahi-daemon on it, found through DBUS_SYSTEM_BUS_ADDRESS. /run is
// the house's own.
class SystemAvahi {
 public:
  SystemAvahi();
  ~SystemAvahi();
  SystemAvahi(const SystemAvahi&) = delete;
  SystemAvahi& operator=(const SystemAvahi&) = delete;
  SystemAvahi(SystemAvahi&&) = delete;
  SystemAvahi& operator=(SystemAvahi&&) = delete;
  void start_daemon();
  // Whether it answers; waits for it. It cannot run where only one user is mapped.
  [[nodiscard]] bool running() const;
  void stop_daemon() { daemon_.reset(); }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Program> bus_;
  std::unique_ptr<Program> daemon_;
};

}  // namespace latchkey::discovery

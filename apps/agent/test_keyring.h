// For tests: a real gnome-keyring on a bus of its own, for one home.
#pragma once

#include <sys/types.h>

#include <string>

#include "programs.h"

namespace latchkey::programs {

class Keyring {
 public:
  // Starts the bus, and the keyring with it: unlocked where this is its password, or it is new.
  explicit Keyring(const Home& home, std::string password = "login");
  ~Keyring();
  Keyring(const Keyring&) = delete;
  Keyring& operator=(const Keyring&) = delete;
  // The home's, with the bus in it.
  [[nodiscard]] Environment environment() const { return environment_; }
  void start();  // with what it had before
  void stop();
  void lock();
  // By tools that are not ours: all keys of Latchkey's that it has, and taking them away.
  [[nodiscard]] std::string list() const;
  void clear_all();

 private:
  Output shell(const std::string& command) const;
  Environment environment_;
  std::string password_;
  pid_t bus_ = -1;
  pid_t keyring_ = -1;
};

}  // namespace latchkey::programs

// For tests: the programs as users run them, in a home of their own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace latchkey::programs {

using Environment = std::map<std::string, std::string>;
using Arguments = std::vector<std::string>;

struct Output {
  int exit = -1;
  std::string out;
  std::string err;
  [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

// Where the build put a program.
std::string program(const std::string& name);

// Runs to the end, with this on standard input; 60 s at most.
Output run(const Arguments& arguments, const Environment& environment,
           const std::string& input = {});

// Runs in the background until it goes out of scope.
class Background {
 public:
  // Waits until it has written a line that begins so.
  Background(const Arguments& arguments, const Environment& environment,
             const std::string& line_start);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  [[nodiscard]] const std::string& line() const { return line_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  int stop();  // SIGTERM; its exit code
  int wait();  // for it to end by itself
  // All it has written so far; after stop() all of it. Nobody reads in between, so it may not write
  // more than a pipe holds (64 KiB) unless this is called now and then.
  const std::string& output();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string line_, text_;
};

// One user's home on disk, gone with the object.
class Home {
 public:
  Home();
  ~Home();
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] Environment environment() const;
  [[nodiscard]] std::filesystem::path socket() const { return path_ / "run/latchkey/agent.sock"; }

 private:
  std::filesystem::path path_;
};

// A client of the agent's socket that says whatever the test wants.
class Conversation {
 public:
  explicit Conversation(const std::filesystem::path& socket);
  ~Conversation();
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  void send_raw(const std::string& bytes) const;
  void send(const nlohmann::json& message) const;
  void send_text(const std::string& text) const;  // with its length before it
  // The next message; nothing when the agent has closed, or said nothing for 10 s.
  [[nodiscard]] std::optional<nlohmann::json> receive() const;
  // The answer to a request; events in between are dropped.
  nlohmann::json ask(const std::string& method, const nlohmann::json& params);
  // The next event of this name.
  [[nodiscard]] std::optional<nlohmann::json> event(const std::string& name) const;
  nlohmann::json hello(const nlohmann::json& profile = nullptr);

 private:
  int fd_ = -1;
  std::uint64_t next_ = 1;
};

}  // namespace latchkey::programs

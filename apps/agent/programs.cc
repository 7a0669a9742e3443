#include "programs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace latchkey::programs {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(60);

struct Pipe {
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw std::runtime_error("pipe");
    }
  }
  std::array<int, 2> ends{};
};

pid_t start(const Arguments& arguments, const Environment& environment, int in, int out, int err) {
  std::vector<std::string> pairs;
  for (const auto& [name, value] : environment) {
    pairs.push_back(name + "=" + value);
  }
  std::vector<char*> argv;
  std::vector<char*> env;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  for (const std::string& pair : pairs) {
    env.push_back(const_cast<char*>(pair.c_str()));
  }
  env.push_back(nullptr);
  // A program that ends before it has read what it is given is no reason for the test to end.
  ::signal(SIGPIPE, SIG_IGN);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGPIPE, SIG_DFL);
    // Should the test itself end early: whoever waits for its output waits for its programs too.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::execve(argv.front(), argv.data(), env.data());
    ::_exit(127);
  }
  return child;
}

int exit_code(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool readable(int fd, Clock::time_point until) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd wait{fd, POLLIN, 0};
  return left > 0 && ::poll(&wait, 1, static_cast<int>(left)) > 0;
}

void drain(int fd, std::string& into, bool& open) {
  std::array<char, 4096> buffer{};
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  if (got > 0) {
    into.append(buffer.data(), static_cast<std::size_t>(got));
  } else {
    open = false;
  }
}

}  // namespace

std::string program(const std::string& name) {
  return std::string(LATCHKEY_BIN) + "/" + name;
}

Output run(const Arguments& arguments, const Environment& environment, const std::string& input) {
  const Pipe in;
  const Pipe out;
  const Pipe err;
  const pid_t child = start(arguments, environment, in.ends[0], out.ends[1], err.ends[1]);
  ::close(in.ends[0]);
  ::close(out.ends[1]);
  ::close(err.ends[1]);
  (void)!::write(in.ends[1], input.data(), input.size());
  ::close(in.ends[1]);
  Output output;
  bool out_open = true;
  bool err_open = true;
  const auto until = Clock::now() + kPatience;
  while ((out_open || err_open) && Clock::now() < until) {
    std::array<pollfd, 2> wait{pollfd{out_open ? out.ends[0] : -1, POLLIN, 0},
                               pollfd{err_open ? err.ends[0] : -1, POLLIN, 0}};
    ::poll(wait.data(), wait.size(), 1000);
    if (wait[0].revents != 0) {
      drain(out.ends[0], output.out, out_open);
    }
    if (wait[1].revents != 0) {
      drain(err.ends[0], output.err, err_open);
    }
  }
  if (out_open || err_open) {
    ::kill(child, SIGKILL);
  }
  ::close(out.ends[0]);
  ::close(err.ends[0]);
  output.exit = exit_code(child);
  return output;
}

Background::Background(const Arguments& arguments, const Environment& environment,
                       const std::string& line_start) {
  const Pipe out;
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  pid_ = start(arguments, environment, nothing, out.ends[1], STDERR_FILENO);
  ::close(out.ends[1]);
  ::close(nothing);
  output_ = out.ends[0];
  const auto until = Clock::now() + kPatience;
  bool open = true;
  while (open && text_.find('\n') == std::string::npos && readable(output_, until)) {
    drain(output_, text_, open);
  }
  line_ = text_.substr(0, text_.find('\n'));
  if (!line_.starts_with(line_start)) {
    throw std::runtime_error(arguments.front() + " did not say \"" + line_start + "\": " + line_);
  }
}

Background::~Background() {
  stop();
}

int Background::stop() {
  if (pid_ < 0) {
    return 0;
  }
  ::kill(pid_, SIGTERM);
  return wait();
}

int Background::wait() {
  const int code = exit_code(pid_);
  pid_ = -1;
  output();
  ::close(output_);
  output_ = -1;
  return code;
}

const std::string& Background::output() {
  bool open = output_ >= 0;
  pollfd wait{output_, POLLIN, 0};
  while (open && ::poll(&wait, 1, 0) > 0) {
    drain(output_, text_, open);
  }
  return text_;
}

Home::Home() {
  std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error("mkdtemp");
  }
  path_ = pattern;
  std::filesystem::create_directory(path_ / "run");
}

Home::~Home() {
  // An agent that was started on demand is still there.
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    std::string command;
    const int fd = ::open((entry.path() / "cmdline").c_str(), O_RDONLY | O_CLOEXEC);
    bool open = fd >= 0;
    while (open) {
      drain(fd, command, open);
    }
    if (fd >= 0) {
      ::close(fd);
    }
    if (command.find(socket().string()) != std::string::npos) {
      ::kill(std::atoi(name.c_str()), SIGTERM);
    }
  }
  std::filesystem::remove_all(path_, ignored);
}

Environment Home::environment() const {
  return {{"HOME", path_.string()},
          {"XDG_RUNTIME_DIR", (path_ / "run").string()},
          {"PATH", "/usr/bin:/bin"},
          {"LC_ALL", "C.UTF-8"}};
}

Conversation::Conversation(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd_);
    throw std::runtime_error("connect " + socket.string());
  }
}

Conversation::~Conversation() {
  ::close(fd_);
}

void Conversation::send_raw(const std::string& bytes) const {
  (void)!::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void Conversation::send_text(const std::string& text) const {
  const auto length = static_cast<std::uint32_t>(text.size());
  std::string head(sizeof length, '\0');
  std::memcpy(head.data(), &length, sizeof length);
  send_raw(head + text);
}

void Conversation::send(const nlohmann::json& message) const {
  send_text(message.dump());
}

std::optional<nlohmann::json> Conversation::receive() const {
  const auto until = Clock::now() + std::chrono::seconds(60);  // for what hangs
  const auto read_exactly = [&](char* into, std::size_t size) {
    while (size > 0) {
      if (!readable(fd_, until)) {
        return false;
      }
      const ssize_t got = ::read(fd_, into, size);
      if (got <= 0) {
        return false;
      }
      into += got;
      size -= static_cast<std::size_t>(got);
    }
    return true;
  };
  std::uint32_t length = 0;
  if (!read_exactly(reinterpret_cast<char*>(&length), sizeof length) || length > 1048576) {
    return std::nullopt;
  }
  std::string text(length, '\0');
  if (!read_exactly(text.data(), length)) {
    return std::nullopt;
  }
  return nlohmann::json::parse(text);
}

nlohmann::json Conversation::ask(const std::string& method, const nlohmann::json& params) {
  const std::uint64_t id = next_++;
  send({{"id", id}, {"method", method}, {"params", params}});
  while (auto message = receive()) {
    if (message->value("id", std::uint64_t{0}) == id) {
      return *message;
    }
  }
  return nullptr;
}

std::optional<nlohmann::json> Conversation::event(const std::string& name) const {
  while (auto message = receive()) {
    if (message->value("event", "") == name) {
      return (*message)["params"];
    }
  }
  return std::nullopt;
}

nlohmann::json Conversation::hello(const nlohmann::json& profile) {
  return ask("hello", {{"client", "cli"}, {"version", "1"}, {"profile", profile}});
}

}  // namespace latchkey::programs

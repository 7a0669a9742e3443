#include "store/postgres_server.h"

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/result.h"

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "PostgreSQL for tests: %s\n", what.c_str());
  std::abort();
}

fs::path programs() {
  for (const char* version : {"17", "16", "15", "14"}) {
    fs::path folder = fs::path("/usr/lib/postgresql") / version / "bin";
    if (fs::exists(folder / "postgres")) {
      return folder;
    }
  }
  give_up("not installed (scripts/packages/unit.txt names it)");
}

// PostgreSQL refuses to run as root.
const passwd* other_user() {
  if (::geteuid() != 0) {
    return nullptr;
  }
  const passwd* user = ::getpwnam("postgres");
  return user != nullptr ? user : ::getpwnam("nobody");
}

pid_t start(const std::vector<std::string>& arguments, const fs::path& folder) {
  const passwd* user = other_user();
  const std::string log = (folder / "log").string();
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) {
    return child;
  }
  if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 ||
                          ::setuid(user->pw_uid) != 0)) {
    ::_exit(126);
  }
  // After setuid, which would take it back. SIGQUIT: end at once, without asking its clients.
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  if (::chdir(folder.c_str()) == 0) {
    ::execv(argv.front(), argv.data());
  }
  ::_exit(127);
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

PostgresServer::PostgresServer() {
  // Short: the path of a Unix socket has at most 107 bytes.
  std::string name = "/tmp/latchkey-pg-XXXXXX";
  LATCHKEY_CHECK(::mkdtemp(name.data()) != nullptr);
  folder_ = name;
  if (const passwd* user = other_user()) {
    LATCHKEY_CHECK(::chown(folder_.c_str(), user->pw_uid, user->pw_gid) == 0);
  }
  const std::string data = (folder_ / "data").string();
  // English order of texts, to show that nothing depends on it.
  if (wait_for(start({programs() / "initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8",
                      "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en", "--no-sync"},
                     folder_)) != 0) {
    give_up("initdb failed, see " + (folder_ / "log").string());
  }
  pid_ = start({programs() / "postgres", "-D", data, "-k", folder_.string(), "-h", "", "-F", "-c",
                "max_connections=50"},
               folder_);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const std::string conninfo = "host=" + folder_.string() + " user=test dbname=postgres";
  while (::PQping(conninfo.c_str()) != PQPING_OK) {
    if (std::chrono::steady_clock::now() > until || ::waitpid(pid_, nullptr, WNOHANG) != 0) {
      give_up("it does not start, see " + (folder_ / "log").string());
    }
    ::poll(nullptr, 0, 20);
  }
}

PostgresServer::~PostgresServer() {
  ::kill(pid_, SIGQUIT);
  wait_for(pid_);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string PostgresServer::connection(const std::string& database) const {
  return "host=" + folder_.string() + " user=test dbname=" + database;
}

std::string PostgresServer::create_database() {
  const std::string name = "t" + std::to_string(++made_);
  const std::unique_ptr<PGconn, decltype(&::PQfinish)> connection_to(
      ::PQconnectdb(connection("postgres").c_str()), &::PQfinish);
  const std::unique_ptr<PGresult, decltype(&::PQclear)> result(
      ::PQexec(connection_to.get(), ("CREATE DATABASE " + name).c_str()), &::PQclear);
  LATCHKEY_CHECK(::PQresultStatus(result.get()) == PGRES_COMMAND_OK);
  return connection(name);
}

}  // namespace latchkey::store

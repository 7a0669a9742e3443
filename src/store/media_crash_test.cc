// kill -9 at every call that changes the disk, and the order of those calls: what was acknowledged
// is there and whole, what was not is not visible, or whole.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>

#include "store/media_support.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::content_of;
using testing::MediaCache;
using testing::put;
using testing::read;
using testing::TempFolder;

const cache::Partition kVideo = cache::Partition::of(Origin::parse("https://video.example"));
constexpr const char* kFolder = "LATCHKEY_MEDIA_CRASH";
constexpr std::uint64_t kSize = cache::kBlockBytes + 4321;

// What the process that is killed does: step n puts version n, or deletes. 'd' is acknowledged.
struct Step {
  const char* name;
  unsigned version;  // 0: delete
};
constexpr std::array<Step, 6> kSteps = {
    {{"a", 1}, {"b", 2}, {"a", 3}, {"b", 0}, {"c", 4}, {"c", 5}}};

// Acknowledgements go to a file of their own, by one write each.
void acknowledge(std::ofstream& to, std::size_t step) {
  to << step << '\n' << std::flush;
}

// Not a test of its own: the process under strace runs this one only.
TEST(MediaCrashChild, Runs) {
  const char* folder = std::getenv(kFolder);
  if (folder == nullptr) {
    return;
  }
  const std::filesystem::path base(folder);
  std::ofstream log(base / "acknowledged", std::ios::app);
  MediaCache cache(base / "state");
  for (std::size_t i = 0; i < kSteps.size(); ++i) {
    const Step& step = kSteps[i];
    if (step.version == 0) {
      ASSERT_TRUE(cache.index->remove(kVideo.key(), step.name));
    } else {
      ASSERT_TRUE(put(cache, kVideo, step.name, content_of(step.version, kSize)));
    }
    acknowledge(log, i);
  }
}

int run_child(const std::filesystem::path& folder, const std::vector<std::string>& strace) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<std::string> words = strace;
    words.emplace_back("/proc/self/exe");
    std::array<char, 4096> self{};
    const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
    words.back().assign(self.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    words.emplace_back("--gtest_filter=MediaCrashChild.Runs");
    words.emplace_back("--gtest_brief=1");
    std::vector<char*> arguments;
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    ::setenv(kFolder, folder.c_str(), 1);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::size_t acknowledged(const std::filesystem::path& folder) {
  std::ifstream log(folder / "acknowledged");
  std::string line;
  std::size_t count = 0;
  while (std::getline(log, line)) {
    ++count;
  }
  return count;
}

// After `steps` whole ones: which version each name has.
std::map<std::string, unsigned> after(std::size_t steps) {
  std::map<std::string, unsigned> state;
  for (std::size_t i = 0; i < steps; ++i) {
    if (kSteps[i].version == 0) {
      state.erase(kSteps[i].name);
    } else {
      state[kSteps[i].name] = kSteps[i].version;
    }
  }
  return state;
}

std::map<std::string, unsigned> found_in(MediaCache& cache) {
  std::map<std::string, unsigned> state;
  const auto listed = cache.index->list(kVideo.key(), "", "", 100);
  for (const auto& one : listed.value()) {
    const auto object = cache.index->find(kVideo.key(), one.name, {9}).value().value();
    const Bytes content = read(cache, object);
    unsigned version = 1;
    while (version < 9 && content != content_of(version, kSize)) {
      ++version;
    }
    state[one.name] = version;
  }
  return state;
}

void expect_whole(const std::filesystem::path& folder, const std::string& when) {
  const std::size_t done = acknowledged(folder);
  MediaCache cache(folder / "state");
  const auto found = found_in(cache);
  EXPECT_TRUE(found == after(done) || (done < kSteps.size() && found == after(done + 1)))
      << when << ", after " << done << " acknowledged steps";
  EXPECT_TRUE(cache.files.drafts().empty()) << when;
  EXPECT_EQ(cache.files.objects().size(), found.size()) << when << ": nothing is left over";
  // And it goes on.
  EXPECT_TRUE(put(cache, kVideo, "next", content_of(8, 100))) << when;
}

TEST(MediaCrash, Threat46KilledAtEveryChangeOfTheDisk) {
  std::size_t killed = 0;
  for (const char* call :
       {"pwrite64", "fsync", "fdatasync", "rename", "unlink", "ftruncate", "mkdir", "openat"}) {
    // Most opens are the loader's, and most folders are alike.
    const std::string name = call;
    const std::size_t stride = name == "openat" ? 17 : name == "mkdir" ? 61 : 1;
    for (std::size_t n = 1;; n += stride) {
      const TempFolder folder;
      std::filesystem::create_directories(folder.path());
      const int code = run_child(
          folder.path(), {"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + name, "-e",
                          "inject=" + name + ":signal=SIGKILL:when=" + std::to_string(n)});
      ASSERT_NE(code, 127) << "needs strace";
      expect_whole(folder.path(), name + " " + std::to_string(n));
      if (::testing::Test::HasFailure() || code == 0) {
        break;
      }
      ++killed;
    }
  }
  EXPECT_GT(killed, 80U) << "that cannot have been all";
}

// A power cut keeps of a file what was synced, and of a folder the names that were: so what counts
// is the order. Each draft is synced after its last write, then renamed, then both folders are
// synced, and only then does the index write.
TEST(MediaCrash, FilesAreDurableBeforeTheIndexNamesThem) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path());
  const std::string log = folder.file("calls").string();
  ASSERT_EQ(run_child(folder.path(), {"strace", "-f", "-qq", "-y", "-o", log, "-e",
                                      "trace=pwrite64,fsync,fdatasync,rename"}),
            0);
  std::ifstream lines(log);
  std::string line;
  std::string state = "idle";
  std::size_t published = 0;
  while (std::getline(lines, line)) {
    const auto has = [&line](std::string_view text) {
      return line.find(text) != std::string::npos;
    };
    const bool index_write = has("pwrite64(") && has("/index.db");
    if (has("pwrite64(") && has("/incoming/")) {
      EXPECT_TRUE(state == "idle" || state == "written") << line;
      state = "written";
    } else if (has("fsync(") && has("/incoming/")) {
      EXPECT_EQ(state, "written") << line;
      state = "synced";
    } else if (has("rename(") && has("/incoming/")) {
      EXPECT_EQ(state, "synced") << line;
      state = "renamed";
    } else if (has("fsync(") && has("/objects/") && state == "renamed") {
      state = "named";
    } else if (has("fsync(") && has("/incoming>") && state == "named") {
      state = "durable";
    } else if (index_write && state != "idle") {
      EXPECT_EQ(state, "durable") << line;
      state = "idle";
      ++published;
    }
  }
  EXPECT_EQ(published, 5U);
}

}  // namespace
}  // namespace latchkey::store

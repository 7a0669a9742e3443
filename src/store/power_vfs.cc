#include "store/power_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "store/test_support.h"

namespace latchkey::store::testing {
namespace {

PowerCutDisk* g_disk = nullptr;

// A file of ours; the real layer's file lies behind it in the same allocation.
struct Handle {
  sqlite3_file base;
  const std::string* path;
};

Handle* ours(sqlite3_file* file) {
  return reinterpret_cast<Handle*>(file);
}
sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(ours(file) + 1);
}
sqlite3_vfs* real(sqlite3_vfs* vfs) {
  return static_cast<sqlite3_vfs*>(vfs->pAppData);
}

int close_file(sqlite3_file* file) {
  const int code = real(file)->pMethods->xClose(real(file));
  delete ours(file)->path;
  ours(file)->path = nullptr;
  return code;
}

int read_at(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
  return real(file)->pMethods->xRead(real(file), out, size, offset);
}

int write_at(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  if (!g_disk->change()) {
    return SQLITE_IOERR_WRITE;
  }
  g_disk->written(*ours(file)->path, static_cast<std::size_t>(offset),
                  {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)});
  return real(file)->pMethods->xWrite(real(file), data, size, offset);
}

int truncate_to(sqlite3_file* file, sqlite3_int64 size) {
  if (!g_disk->change()) {
    return SQLITE_IOERR_TRUNCATE;
  }
  g_disk->resized(*ours(file)->path, static_cast<std::size_t>(size));
  return real(file)->pMethods->xTruncate(real(file), size);
}

// Not passed on: the model decides what is durable, and real syncs are slow.
int sync_file(sqlite3_file* file, int /*flags*/) {
  if (!g_disk->change()) {
    return SQLITE_IOERR_FSYNC;
  }
  g_disk->synced(*ours(file)->path);
  return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int lock_to(sqlite3_file* file, int level) {
  return real(file)->pMethods->xLock(real(file), level);
}
int unlock_to(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int check_lock(sqlite3_file* file, int* held) {
  return real(file)->pMethods->xCheckReservedLock(real(file), held);
}
int control(sqlite3_file* file, int operation, void* argument) {
  // Size hints would make the real file grow behind the model's back.
  if (operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_CHUNK_SIZE) {
    return SQLITE_OK;
  }
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
int sector_size(sqlite3_file* file) {
  return real(file)->pMethods->xSectorSize(real(file));
}
int characteristics(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

// Version 1: no shared memory and no mapped pages, so that nothing goes around the model.
const sqlite3_io_methods kMethods = {
    1,       close_file, read_at,    write_at, truncate_to, sync_file,       file_size,
    lock_to, unlock_to,  check_lock, control,  sector_size, characteristics, nullptr,
    nullptr, nullptr,    nullptr,    nullptr,  nullptr};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  ours(file)->base.pMethods = nullptr;
  ours(file)->path = nullptr;
  const int code = real(vfs)->xOpen(real(vfs), name, real(file), flags, out_flags);
  if (code == SQLITE_OK) {
    ours(file)->base.pMethods = &kMethods;
    ours(file)->path = new std::string(name == nullptr ? "" : name);
    g_disk->opened(*ours(file)->path);
  }
  return code;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  if (!g_disk->change()) {
    return SQLITE_IOERR_DELETE;
  }
  g_disk->removed(name, sync_folder != 0);
  return real(vfs)->xDelete(real(vfs), name, 0);
}

int access_file(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  return real(vfs)->xAccess(real(vfs), name, flags, result);
}
int full_name(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  return real(vfs)->xFullPathname(real(vfs), name, size, out);
}
int random_bytes(sqlite3_vfs* vfs, int size, char* out) {
  return real(vfs)->xRandomness(real(vfs), size, out);
}
int pause(sqlite3_vfs* vfs, int microseconds) {
  return real(vfs)->xSleep(real(vfs), microseconds);
}
int now(sqlite3_vfs* vfs, double* time) {
  return real(vfs)->xCurrentTime(real(vfs), time);
}
int last_error(sqlite3_vfs* vfs, int size, char* out) {
  return real(vfs)->xGetLastError(real(vfs), size, out);
}

sqlite3_vfs make_vfs() {
  sqlite3_vfs* base = sqlite3_vfs_find(nullptr);
  sqlite3_vfs vfs{};
  vfs.iVersion = 1;
  vfs.szOsFile = static_cast<int>(sizeof(Handle)) + base->szOsFile;
  vfs.mxPathname = base->mxPathname;
  vfs.zName = PowerCutDisk::vfs();
  vfs.pAppData = base;
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  vfs.xAccess = access_file;
  vfs.xFullPathname = full_name;
  vfs.xRandomness = random_bytes;
  vfs.xSleep = pause;
  vfs.xCurrentTime = now;
  vfs.xGetLastError = last_error;
  return vfs;
}

constexpr std::size_t kSector = 512;

}  // namespace

PowerCutDisk::PowerCutDisk() {
  static sqlite3_vfs vfs = make_vfs();
  LATCHKEY_CHECK(g_disk == nullptr && sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
  g_disk = this;
}

PowerCutDisk::~PowerCutDisk() {
  g_disk = nullptr;
}

void PowerCutDisk::end_at(std::size_t point, AtTheEnd how) {
  end_ = point;
  how_ = how;
}

bool PowerCutDisk::change() {
  if (points_ == end_ && how_ == AtTheEnd::kProcessDies) {
    std::raise(SIGKILL);
  }
  ended_ = ended_ || points_ == end_;
  ++points_;
  return !ended_;
}

// A name that is new to the model is an empty file that SQLite makes now, or a finished file that
// was renamed: then what was synced under its old name counts.
void PowerCutDisk::opened(const std::string& path) {
  if (files_.contains(path)) {
    File& known = files_[path];
    if (known.removed) {
      known = File{};
    }
    return;
  }
  if (const auto old = files_.find(path + ".new"); old != files_.end()) {
    File file = std::move(old->second);
    files_.erase(old);
    file.named = true;
    files_.emplace(path, std::move(file));
    return;
  }
  File file;
  file.durable = read_file(path);
  file.named = !path.ends_with("-journal");
  files_.emplace(path, std::move(file));
}

void PowerCutDisk::written(const std::string& path, std::size_t offset, ByteSpan bytes) {
  files_[path].changes.push_back({points_, Write{offset, to_bytes(bytes)}});
}

void PowerCutDisk::resized(const std::string& path, std::size_t size) {
  files_[path].changes.push_back({points_, size});
}

void PowerCutDisk::synced(const std::string& path) {
  File& file = files_[path];
  for (const Change& change : file.changes) {
    apply(file.durable, change);
  }
  file.changes.clear();
  file.named = true;
}

void PowerCutDisk::removed(const std::string& path, bool folder_synced) {
  if (folder_synced) {
    files_.erase(path);
  } else {
    files_[path].removed = true;
  }
}

void PowerCutDisk::apply(Bytes& image, const Change& change) {
  if (const auto* size = std::get_if<std::size_t>(&change.what)) {
    image.resize(*size);
    return;
  }
  const auto& write = std::get<Write>(change.what);
  if (image.size() < write.offset + write.bytes.size()) {
    image.resize(write.offset + write.bytes.size());
  }
  std::ranges::copy(write.bytes, image.begin() + static_cast<std::ptrdiff_t>(write.offset));
}

void PowerCutDisk::apply_in_part(Bytes& image, const Change& change, std::mt19937& dice) {
  const auto* write = std::get_if<Write>(&change.what);
  if (write == nullptr) {
    if (dice() % 2 == 0) {
      apply(image, change);
    }
    return;
  }
  for (std::size_t at = 0; at < write->bytes.size(); at += kSector) {
    if (dice() % 2 == 0) {
      const ByteSpan sector =
          ByteSpan(write->bytes).subspan(at, std::min(kSector, write->bytes.size() - at));
      apply(image, {change.number, Write{write->offset + at, to_bytes(sector)}});
    }
  }
}

void PowerCutDisk::apply_begun(Bytes& image, const Change& change, std::mt19937& dice) {
  const auto* write = std::get_if<Write>(&change.what);
  if (write == nullptr) {
    return;
  }
  const std::size_t sectors = write->bytes.size() / kSector + 1;
  const std::size_t size = std::min(write->bytes.size(), (dice() % sectors) * kSector);
  apply(image, {change.number, Write{write->offset, to_bytes(ByteSpan(write->bytes).first(size))}});
}

void PowerCutDisk::restore(Unsynced what, unsigned seed) {
  std::mt19937 dice(seed);
  // Where the prefix ends, among the last changes: what is older is synced as a rule.
  std::vector<std::size_t> unsynced;
  for (const auto& [path, file] : files_) {
    for (const Change& change : file.changes) {
      unsynced.push_back(change.number);
    }
  }
  std::ranges::sort(unsynced);
  const std::size_t last =
      unsynced.empty() ? 0 : unsynced[static_cast<std::size_t>(dice()) % unsynced.size()];
  for (auto& [path, file] : files_) {
    const auto keep = [&] {
      return what == Unsynced::kKept ||
             ((what == Unsynced::kMixed || what == Unsynced::kPrefix) && dice() % 2 == 0);
    };
    if ((!file.named && !keep()) || (file.removed && keep())) {
      std::filesystem::remove(path);
      continue;
    }
    Bytes image = file.durable;
    for (const Change& change : file.changes) {
      if (what == Unsynced::kKept) {
        apply(image, change);
      } else if (what == Unsynced::kMixed) {
        apply_in_part(image, change, dice);
      } else if (what == Unsynced::kPrefix && change.number < last) {
        apply(image, change);
      } else if (what == Unsynced::kPrefix && change.number == last) {
        apply_begun(image, change, dice);
      }
    }
    write_file(path, image);
  }
}

}  // namespace latchkey::store::testing

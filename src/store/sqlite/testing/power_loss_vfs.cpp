#include "power_loss_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <random>
#include <string>

namespace parley::store::testing {
namespace {

constexpr sqlite3_int64 kBlock = 4096;

/// What a file would hold if all were synced, as differences from the disk. One per path, shared by all who opened it.
struct Image {
  std::map<sqlite3_int64, std::array<char, kBlock>> blocks;  // by number; the whole content of a changed block
  sqlite3_int64 size = 0;
  sqlite3_int64 disk_valid = 0;  // beyond it the disk's bytes are cut off and count as zero
  bool dirty = false;
};

}  // namespace

struct PowerLossVfs::State {
  sqlite3_vfs vfs{};
  sqlite3_vfs* real = nullptr;
  std::mutex mutex;  // guards all below
  std::map<std::string, std::shared_ptr<Image>> images;
  std::map<std::string, int> opened;
  std::uint64_t generation = 0;
  bool full = false;
  int good_syncs = 0, bad_syncs = 0;
  std::uint64_t syncs = 0;
};

namespace {

PowerLossVfs::State* state = nullptr;

struct File {
  sqlite3_file base;
  sqlite3_file* real;  // in the same allocation, behind this
  std::shared_ptr<Image>* image;
  std::string* path;
  std::uint64_t generation;
};

File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
bool dead(const File& file) { return file.generation != state->generation; }

int read_disk(const File& file, const Image& image, sqlite3_int64 number, std::array<char, kBlock>& block) {
  block.fill(0);
  const sqlite3_int64 valid = std::min(kBlock, image.disk_valid - number * kBlock);
  if (valid <= 0) return SQLITE_OK;
  const int rc = file.real->pMethods->xRead(file.real, block.data(), static_cast<int>(valid), number * kBlock);
  return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : rc;
}

int x_close(sqlite3_file* f) {
  File& file = of(f);
  std::lock_guard lock(state->mutex);
  const int rc = file.real->pMethods ? file.real->pMethods->xClose(file.real) : SQLITE_OK;
  delete file.image;
  delete file.path;
  return rc;
}

int x_read(sqlite3_file* f, void* to, int amount, sqlite3_int64 offset) {
  File& file = of(f);
  std::lock_guard lock(state->mutex);
  if (dead(file)) return SQLITE_IOERR_READ;
  Image& image = **file.image;
  const sqlite3_int64 end = std::min(offset + amount, image.size);
  std::memset(to, 0, static_cast<std::size_t>(amount));
  for (sqlite3_int64 at = offset; at < end;) {
    const sqlite3_int64 number = at / kBlock, within = at % kBlock, n = std::min(kBlock - within, end - at);
    std::array<char, kBlock> block;
    if (auto found = image.blocks.find(number); found != image.blocks.end()) {
      block = found->second;
    } else if (int rc = read_disk(file, image, number, block); rc != SQLITE_OK) {
      return rc;
    }
    std::memcpy(static_cast<char*>(to) + (at - offset), block.data() + within, static_cast<std::size_t>(n));
    at += n;
  }
  return end < offset + amount ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

int x_write(sqlite3_file* f, const void* from, int amount, sqlite3_int64 offset) {
  File& file = of(f);
  std::lock_guard lock(state->mutex);
  if (dead(file)) return SQLITE_IOERR_WRITE;
  if (state->full) return SQLITE_FULL;
  Image& image = **file.image;
  for (sqlite3_int64 at = offset; at < offset + amount;) {
    const sqlite3_int64 number = at / kBlock, within = at % kBlock, n = std::min(kBlock - within, offset + amount - at);
    auto found = image.blocks.find(number);
    if (found == image.blocks.end()) {
      std::array<char, kBlock> block;
      if (int rc = read_disk(file, image, number, block); rc != SQLITE_OK) return rc;
      found = image.blocks.emplace(number, block).first;
    }
    std::memcpy(found->second.data() + within, static_cast<const char*>(from) + (at - offset),
                static_cast<std::size_t>(n));
    at += n;
  }
  image.size = std::max(image.size, offset + amount);
  image.dirty = true;
  return SQLITE_OK;
}

int x_truncate(sqlite3_file* f, sqlite3_int64 size) {
  File& file = of(f);
  std::lock_guard lock(state->mutex);
  if (dead(file)) return SQLITE_IOERR_TRUNCATE;
  Image& image = **file.image;
  image.size = size;
  image.disk_valid = std::min(image.disk_valid, size);
  image.blocks.erase(image.blocks.lower_bound((size + kBlock - 1) / kBlock), image.blocks.end());
  if (auto last = image.blocks.find(size / kBlock); last != image.blocks.end()) {
    std::fill(last->second.begin() + size % kBlock, last->second.end(), 0);
  }
  image.dirty = true;
  return SQLITE_OK;
}

/// Writes one changed block, as far as the file reaches.
int write_block(const File& file, const Image& image, sqlite3_int64 number, const std::array<char, kBlock>& block) {
  const sqlite3_int64 n = std::min(kBlock, image.size - number * kBlock);
  if (n <= 0) return SQLITE_OK;
  return file.real->pMethods->xWrite(file.real, block.data(), static_cast<int>(n), number * kBlock);
}

int flush(const File& file, Image& image) {
  if (!image.dirty) return SQLITE_OK;
  sqlite3_int64 disk = 0;
  int rc = file.real->pMethods->xFileSize(file.real, &disk);
  if (rc == SQLITE_OK && disk > image.disk_valid) rc = file.real->pMethods->xTruncate(file.real, image.disk_valid);
  for (auto at = image.blocks.begin(); rc == SQLITE_OK && at != image.blocks.end(); ++at)
    rc = write_block(file, image, at->first, at->second);
  if (rc != SQLITE_OK) return rc;
  image.blocks.clear();
  image.disk_valid = image.size;
  image.dirty = false;
  return SQLITE_OK;
}

int x_sync(sqlite3_file* f, int) {
  File& file = of(f);
  std::lock_guard lock(state->mutex);
  if (dead(file)) return SQLITE_IOERR_FSYNC;
  if (state->bad_syncs > 0 && state->good_syncs-- <= 0) {
    --state->bad_syncs;
    return SQLITE_IOERR_FSYNC;
  }
  if (state->full && (*file.image)->dirty) return SQLITE_FULL;
  ++state->syncs;
  return flush(file, **file.image);  // the page cache survives the end of the process, which is all that tests need
}

int x_file_size(sqlite3_file* f, sqlite3_int64* size) {
  File& file = of(f);
  std::lock_guard lock(state->mutex);
  if (dead(file)) return SQLITE_IOERR_FSTAT;
  *size = (*file.image)->size;
  return SQLITE_OK;
}

int x_lock(sqlite3_file* f, int level) { return of(f).real->pMethods->xLock(of(f).real, level); }
int x_unlock(sqlite3_file* f, int level) { return of(f).real->pMethods->xUnlock(of(f).real, level); }
int x_check_reserved(sqlite3_file* f, int* out) { return of(f).real->pMethods->xCheckReservedLock(of(f).real, out); }
int x_file_control(sqlite3_file* f, int op, void* argument) {
  // Hints that would touch the disk behind the image's back.
  if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE || op == SQLITE_FCNTL_MMAP_SIZE)
    return SQLITE_NOTFOUND;
  return of(f).real->pMethods->xFileControl(of(f).real, op, argument);
}
int x_sector_size(sqlite3_file* f) { return of(f).real->pMethods->xSectorSize(of(f).real); }
int x_characteristics(sqlite3_file* f) { return of(f).real->pMethods->xDeviceCharacteristics(of(f).real); }
int x_shm_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
  return of(f).real->pMethods->xShmMap(of(f).real, region, size, extend, out);
}
int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return of(f).real->pMethods->xShmLock(of(f).real, offset, n, flags);
}
void x_shm_barrier(sqlite3_file* f) { of(f).real->pMethods->xShmBarrier(of(f).real); }
int x_shm_unmap(sqlite3_file* f, int remove) { return of(f).real->pMethods->xShmUnmap(of(f).real, remove); }

// Version 2: shared memory, but no memory-mapped reading.
const sqlite3_io_methods kMethods = {2,
                                     x_close,
                                     x_read,
                                     x_write,
                                     x_truncate,
                                     x_sync,
                                     x_file_size,
                                     x_lock,
                                     x_unlock,
                                     x_check_reserved,
                                     x_file_control,
                                     x_sector_size,
                                     x_characteristics,
                                     x_shm_map,
                                     x_shm_lock,
                                     x_shm_barrier,
                                     x_shm_unmap,
                                     nullptr,
                                     nullptr};

int x_open(sqlite3_vfs*, const char* path, sqlite3_file* f, int flags, int* out_flags) {
  std::lock_guard lock(state->mutex);
  File& file = *new (f) File{};
  file.real = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(f) + sizeof(File));
  const int rc = state->real->xOpen(state->real, path, file.real, flags, out_flags);
  if (rc != SQLITE_OK) return rc;
  file.path = new std::string(path ? path : "");
  file.generation = state->generation;
  std::shared_ptr<Image> image = path ? state->images[*file.path] : nullptr;
  if (!image) {
    image = std::make_shared<Image>();
    file.real->pMethods->xFileSize(file.real, &image->size);
    image->disk_valid = image->size;
    if (path) state->images[*file.path] = image;
  }
  file.image = new std::shared_ptr<Image>(std::move(image));
  file.base.pMethods = &kMethods;
  return SQLITE_OK;
}

int x_delete(sqlite3_vfs*, const char* path, int sync_dir) {
  std::lock_guard lock(state->mutex);
  state->images.erase(path);
  return state->real->xDelete(state->real, path, sync_dir);
}

}  // namespace

PowerLossVfs& PowerLossVfs::get() {
  static PowerLossVfs vfs;
  return vfs;
}

PowerLossVfs::PowerLossVfs() : state_(std::make_unique<State>()) {
  state = state_.get();
  state_->real = sqlite3_vfs_find(nullptr);
  state_->vfs = *state_->real;  // names, time, randomness: the system's
  state_->vfs.pNext = nullptr;
  state_->vfs.zName = "parley-power-loss";
  state_->vfs.szOsFile = static_cast<int>(sizeof(File)) + state_->real->szOsFile;
  state_->vfs.xOpen = x_open;
  state_->vfs.xDelete = x_delete;
  sqlite3_vfs_register(&state_->vfs, 0);
}

const char* PowerLossVfs::name() const noexcept { return state_->vfs.zName; }

void PowerLossVfs::cut_power(unsigned kept_percent, std::uint64_t seed) {
  std::lock_guard lock(state_->mutex);
  std::mt19937_64 random(seed);
  for (auto& [path, image] : state_->images) {
    if (kept_percent == 0 || !image->dirty) continue;
    sqlite3_vfs* real = state_->real;
    auto* file = static_cast<sqlite3_file*>(::operator new(static_cast<std::size_t>(real->szOsFile)));
    std::memset(file, 0, static_cast<std::size_t>(real->szOsFile));
    // A path that SQLite's xOpen takes must end in two zeros.
    const std::string name = path + '\0';
    if (real->xOpen(real, name.c_str(), file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, nullptr) == SQLITE_OK) {
      File view{};
      view.real = file;
      for (const auto& [number, block] : image->blocks) {
        if (random() % 100 < kept_percent) write_block(view, *image, number, block);
      }
      file->pMethods->xClose(file);
    }
    ::operator delete(file);
  }
  state_->images.clear();
  ++state_->generation;
}

void PowerLossVfs::fill_disk(bool full) {
  std::lock_guard lock(state_->mutex);
  state_->full = full;
}

void PowerLossVfs::fail_syncs(int syncs, int failures) {
  std::lock_guard lock(state_->mutex);
  state_->good_syncs = syncs;
  state_->bad_syncs = failures;
}

std::uint64_t PowerLossVfs::syncs() const {
  std::lock_guard lock(state_->mutex);
  return state_->syncs;
}

}  // namespace parley::store::testing

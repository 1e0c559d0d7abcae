/* Included before each of QuickJS's sources where they are built for WASI.

   QuickJS gives up its check of the stack where __wasi__ is defined, so that a function that calls itself without end
   would trap, and cost the sandbox, where it should get a RangeError. All system headers that QuickJS takes are taken
   here while the name is still defined; after that QuickJS sees the platform that rquickjs-sys tells it (EMSCRIPTEN:
   no threads, no computed gotos) and one that has malloc_usable_size, which wasi-libc does. */
#include <alloca.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#undef __wasi__
#define __GLIBC__ 2

/* The reference: the least that a study of an external code costs.

       loop N WORKERS CODE TEMPLATE

   Evaluates x = (i + 0.5) / N for i = 0 .. N - 1 in the current directory: for each a directory,
   the input file (`@x@` in the template replaced), the code run in it with stdout and stderr in
   a file, its result read, the directory removed. Workers are forked and pull from one counter.
   Writes results.txt, one y a line, and prints the seconds taken. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TOKEN "@x@"
#define TEMPLATE_MAX 65536

extern char **environ;

typedef struct {
    atomic_long next;
    double y[];
} Shared;

static char template[TEMPLATE_MAX];
static char code[PATH_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_template(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        die(path);
    template[fread(template, 1, TEMPLATE_MAX - 1, file)] = '\0';
    fclose(file);
    if (!strstr(template, TOKEN)) {
        fprintf(stderr, "loop: %s: found no %s\n", path, TOKEN);
        exit(1);
    }
}

static void write_input(const char *path, double x)
{
    const char *token = strstr(template, TOKEN);
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    fprintf(file, "%.*s%.14g%s", (int)(token - template), template, x, token + strlen(TOKEN));
    if (fclose(file))
        die(path);
}

static double read_output(const char *path)
{
    double y;
    FILE *file = fopen(path, "r");
    if (!file)
        die(path);
    if (fscanf(file, "y = %lf", &y) != 1) {
        fprintf(stderr, "loop: %s: found no y\n", path);
        exit(1);
    }
    fclose(file);
    return y;
}

static void run_code(const char *directory)
{
    char *argv[] = {code, "input.txt", "output.txt", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, directory);
    posix_spawn_file_actions_addopen(&actions, 1, "log.txt", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (posix_spawn(&pid, code, &actions, NULL, argv, environ))
        die(code);
    posix_spawn_file_actions_destroy(&actions);
    if (waitpid(pid, &status, 0) != pid || status) {
        fprintf(stderr, "loop: %s: the code ended with status %d\n", directory, status);
        exit(1);
    }
}

static double evaluate(long i, double x)
{
    char directory[64], input[96], output[96], log[96];
    snprintf(directory, sizeof directory, "run-%ld", i);
    snprintf(input, sizeof input, "%s/input.txt", directory);
    snprintf(output, sizeof output, "%s/output.txt", directory);
    snprintf(log, sizeof log, "%s/log.txt", directory);
    if (mkdir(directory, 0755))
        die(directory);
    write_input(input, x);
    run_code(directory);
    const double y = read_output(output);
    if (unlink(input) || unlink(output) || unlink(log) || rmdir(directory))
        die(directory);
    return y;
}

static void work(Shared *shared, long n)
{
    for (long i; (i = atomic_fetch_add(&shared->next, 1)) < n;)
        shared->y[i] = evaluate(i, (i + 0.5) / n);
}

static void run_workers(Shared *shared, long n, int workers)
{
    for (int w = 0; w < workers; w++) {
        const pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            work(shared, n);
            _exit(0);
        }
    }
    for (int w = 0, status; w < workers; w++)
        if (wait(&status) < 0 || status) {
            fprintf(stderr, "loop: a worker ended with status %d\n", status);
            exit(1);
        }
}

static void write_results(const Shared *shared, long n)
{
    FILE *file = fopen("results.txt", "w");
    if (!file)
        die("results.txt");
    for (long i = 0; i < n; i++)
        fprintf(file, "%.17g\n", shared->y[i]);
    if (fclose(file))
        die("results.txt");
}

int main(int argc, char **argv)
{
    struct timespec start, end;
    if (argc != 5) {
        fprintf(stderr, "usage: loop N WORKERS CODE TEMPLATE\n");
        return 2;
    }
    const long n = atol(argv[1]);
    const size_t size = sizeof(Shared) + n * sizeof(double);
    if (n < 1 || atoi(argv[2]) < 1 || !realpath(argv[3], code)) {
        fprintf(stderr, "loop: found %s %s %s; expected N > 0, WORKERS > 0 and a program\n",
                argv[1], argv[2], argv[3]);
        return 2;
    }
    read_template(argv[4]);
    Shared *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    clock_gettime(CLOCK_MONOTONIC, &start);
    run_workers(shared, n, atoi(argv[2]));
    write_results(shared, n);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.6f s\n", (end.tv_sec - start.tv_sec) + 1e-9 * (end.tv_nsec - start.tv_nsec));
    return 0;
}

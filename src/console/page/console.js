// The console's page: what /api says, shown. No library, nothing from elsewhere. Data reaches the page as text only.
'use strict';

const state = { session: null, now: null, samples: [], span: 'quarter', source: null, panel: '', after: [] };
const main = document.getElementById('main');

// ---- Elements -------------------------------------------------------------------------------------------------

function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== 'list') node[name] = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';
function svg(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props || {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function table(columns, rows, empty) {
  if (!rows.length) return el('p', { className: 'empty' }, empty || 'nothing yet');
  const head = columns.map((column) => el('th', { scope: 'col', className: column.className }, column.name));
  const body = rows.map((row) =>
    el('tr', {}, columns.map((column) => el('td', { className: column.className }, column.of(row)))));
  return el('div', { className: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'table' },
    el('table', {}, el('thead', {}, el('tr', {}, head)), el('tbody', {}, body)));
}

// ---- Words ----------------------------------------------------------------------------------------------------

function count(n) {
  if (n === null || n === undefined) return '–';
  if (Math.abs(n) < 10000) return Math.round(n).toLocaleString('en');
  for (const [size, unit] of [[1e9, 'B'], [1e6, 'M'], [1e3, 'K']]) if (Math.abs(n) >= size) return (n / size).toFixed(1) + unit;
  return String(n);
}

function bytes(n) {
  if (n < 1024) return Math.round(n) + ' B';
  for (const unit of ['KB', 'MB', 'GB', 'TB']) {
    n /= 1024;
    if (n < 1024) return (n < 10 ? n.toFixed(1) : Math.round(n)) + ' ' + unit;
  }
  return Math.round(n) + ' PB';
}

function span(ms) {
  const seconds = ms / 1000;
  if (seconds < 1) return Math.round(ms) + ' ms';
  for (const [size, unit] of [[86400, 'd'], [3600, 'h'], [60, 'min']]) {
    if (seconds >= size) return (seconds / size).toFixed(seconds / size < 10 ? 1 : 0) + ' ' + unit;
  }
  return Math.round(seconds) + ' s';
}

const micros = (us) => (us === null || us === undefined ? '–' : us < 1000 ? us.toFixed(us < 10 ? 1 : 0) + ' µs' : (us / 1000).toFixed(1) + ' ms');
const percent = (n) => (n === null || n === undefined ? '–' : n.toFixed(1) + '%');
const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');
const ago = (ms) => (ms ? span(Math.max(0, Date.now() - ms)) + ' ago' : 'never');
const life = (ms) => (ms < 0 ? 'no limit' : span(ms));

function toast(text) {
  const box = document.getElementById('toast');
  box.textContent = text;
  box.classList.add('shown');
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => box.classList.remove('shown'), 4000);
}

// ---- Requests -------------------------------------------------------------------------------------------------

async function api(path, options = {}) {
  const headers = {};
  if (options.body) headers['content-type'] = 'application/json';
  if (state.session && state.session.token) headers['x-csrf-token'] = state.session.token;
  const response = await fetch(path, {
    method: options.method || 'GET', headers, body: options.body && JSON.stringify(options.body), credentials: 'same-origin',
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (response.status === 401 && path !== 'api/login') showLogin();
  throw new Error(answer.message || 'HTTP ' + response.status);
}

const query = (fields) => new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== '' && value !== undefined));

async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    toast(error.message);
    return undefined;
  }
}

// ---- Asking first ---------------------------------------------------------------------------------------------

// Resolves to whether it was agreed to; where a word is given, only by typing it.
function confirmed({ title, text, action, word }) {
  const dialog = document.getElementById('dialog');
  return new Promise((resolve) => {
    const go = el('button', { type: 'submit', className: 'danger', disabled: Boolean(word), value: 'go' }, action);
    const field = word && el('input', {
      id: 'dialog-word', autocomplete: 'off', spellcheck: false,
      oninput: (event) => { go.disabled = event.target.value !== word; },
    });
    dialog.replaceChildren(el('form', { method: 'dialog' },
      el('h2', { id: 'dialog-title' }, title), el('p', {}, text),
      word && el('label', { htmlFor: 'dialog-word' }, `Type “${word}” to go on `, field),
      el('div', { className: 'actions' }, el('button', { type: 'button', onclick: () => dialog.close('') }, 'Cancel'), go)));
    dialog.returnValue = '';
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'go'), { once: true });
    dialog.showModal();
    (field || dialog.querySelector('button')).focus();
  });
}

const mayWrite = () => Boolean(state.session && state.session.admin && !state.session.read_only);
const whyNot = () => (state.session.read_only ? 'this console is for reading only' : 'this takes an administrator');
const action = (props, text) => el('button', { type: 'button', disabled: !mayWrite(), title: mayWrite() ? '' : whyNot(), ...props }, text);

// ---- Plots ----------------------------------------------------------------------------------------------------

const HEIGHT = 150, LEFT = 48, RIGHT = 8, TOP = 8, BOTTOM = 20;

function ceiling(value) {
  if (value <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * size).find((top) => top >= value);
}

function plot({ title, of, show, top }) {
  const reading = el('span', { className: 'reading' });
  const picture = svg('svg', { role: 'img', tabindex: '0' });
  let chosen = null;
  let width = 560;
  const draw = () => {
    // One unit is one pixel, whatever the screen: letters keep their form.
    width = picture.clientWidth || width;
    picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    const points = state.samples.map((sample) => [sample.at, of(sample)]);
    const values = points.map(([, value]) => value).filter((value) => value !== null);
    const high = top || Math.max(2, ceiling(Math.max(0, ...values)));
    const [from, to] = points.length > 1 ? [points[0][0], points[points.length - 1][0]] : [0, 1];
    const x = (at) => LEFT + ((at - from) / Math.max(1, to - from)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - value / high) * (HEIGHT - TOP - BOTTOM);
    picture.replaceChildren();
    for (const part of [0, 0.5, 1]) {
      picture.append(svg('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(high * part), y2: y(high * part) }),
        svg('text', { x: LEFT - 6, y: y(high * part) + 4, 'text-anchor': 'end' }, show(high * part)));
    }
    if (points.length > 1) {
      picture.append(svg('text', { x: LEFT, y: HEIGHT - 4 }, clock(from)),
        svg('text', { x: width - RIGHT, y: HEIGHT - 4, 'text-anchor': 'end' }, clock(to)));
    }
    // Where there is no value there is no line.
    let run = [];
    const end = () => {
      if (run.length > 1) {
        const line = run.map(([at, value], index) => `${index ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join('');
        picture.append(svg('path', { class: 'area', d: `${line}L${x(run[run.length - 1][0]).toFixed(1)} ${y(0)}L${x(run[0][0]).toFixed(1)} ${y(0)}Z` }),
          svg('path', { class: 'curve', d: line, 'vector-effect': 'non-scaling-stroke' }));
      } else if (run.length === 1) {
        picture.append(svg('circle', { class: 'dot', cx: x(run[0][0]), cy: y(run[0][1]), r: 3 }));
      }
      run = [];
    };
    for (const point of points) {
      if (point[1] === null) end();
      else run.push(point);
    }
    end();
    const shown = chosen === null ? points[points.length - 1] : points[Math.min(chosen, points.length - 1)];
    if (shown && chosen !== null) {
      picture.append(svg('line', { class: 'cross', x1: x(shown[0]), x2: x(shown[0]), y1: TOP, y2: HEIGHT - BOTTOM }));
      if (shown[1] !== null) picture.append(svg('circle', { class: 'dot', cx: x(shown[0]), cy: y(shown[1]), r: 4 }));
    }
    reading.textContent = shown ? `${show(shown[1])}${chosen === null ? '' : ' at ' + clock(shown[0])}` : '';
    const most = values.length ? show(Math.max(...values)) : 'nothing';
    picture.setAttribute('aria-label', `${title}: now ${shown ? show(shown[1]) : '–'}, at most ${most}`);
  };
  const choose = (index) => {
    chosen = index === null ? null : Math.max(0, Math.min(state.samples.length - 1, index));
    draw();
  };
  picture.addEventListener('pointermove', (event) => {
    const box = picture.getBoundingClientRect();
    const part = (((event.clientX - box.left) / box.width) * width - LEFT) / (width - LEFT - RIGHT);
    choose(Math.round(part * (state.samples.length - 1)));
  });
  picture.addEventListener('pointerleave', () => choose(null));
  picture.addEventListener('blur', () => choose(null));
  picture.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose((chosen === null ? state.samples.length - 1 : chosen) + step);
  });
  draw();
  return { node: el('section', { className: 'plot' }, el('div', { className: 'head' }, el('h3', {}, title), reading), picture), draw };
}

// ---- Panels ---------------------------------------------------------------------------------------------------

const PANELS = [
  ['overview', 'Overview', overview],
  ['keys', 'Keys', keys],
  ['namespaces', 'Namespaces', namespaces],
  ['queues', 'Queues', queues],
  ['sessions', 'Sessions', sessions],
  ['clients', 'Clients', clients],
  ['commands', 'Commands', commands],
  ['slowlog', 'Slow log', slowlog],
];

// Fetches and shows, now and every few seconds, while the panel is open; a panel that fails says so.
function refreshing(path, show, every = 3000) {
  const box = el('div', {}, el('p', { className: 'empty' }, 'loading'));
  const panel = state.panel;
  let last = '';
  const fetchAndShow = async () => {
    try {
      const answer = await api(path);
      if (state.panel !== panel) return;
      const text = JSON.stringify(answer);
      // What has the focus is not torn away for nothing.
      if (text !== last) box.replaceChildren(...[show(answer, fetchAndShow)].flat());
      last = text;
    } catch (error) {
      if (state.panel === panel) box.replaceChildren(el('p', { className: 'empty' }, error.message));
    }
  };
  fetchAndShow();
  const timer = setInterval(() => { if (!document.hidden && !document.getElementById('dialog').open) fetchAndShow(); }, every);
  state.after.push(() => clearInterval(timer));
  return box;
}

function overview() {
  const value = {}, note = {};
  const tile = (id, name) => {
    value[id] = el('div', { className: 'value' }, '–');
    note[id] = el('div', { className: 'note' });
    return el('div', { className: 'tile', id: 'tile-' + id }, el('div', { className: 'name' }, name), value[id], note[id]);
  };
  const tiles = el('div', { className: 'tiles' }, tile('ops', 'Commands a second'), tile('hits', 'Hit rate'),
    tile('keys', 'Keys'), tile('memory', 'Memory'), tile('clients', 'Clients'), tile('latency', 'Latency'));
  const plots = [
    plot({ title: 'Commands a second', of: (sample) => sample.ops, show: count }),
    plot({ title: 'Hit rate', of: (sample) => sample.hit_rate, show: (n) => (n === null ? 'no lookups' : Math.round(n) + '%'), top: 100 }),
    plot({ title: 'Memory', of: (sample) => sample.memory, show: bytes }),
    plot({ title: 'Clients', of: (sample) => sample.clients, show: count }),
  ];
  const spans = [['quarter', '15 min'], ['day', '24 h']].map(([id, name]) => el('button', {
    type: 'button', 'aria-pressed': String(state.span === id), className: state.span === id ? 'primary' : '',
    onclick: async () => { state.span = id; await loadHistory(); go(); },
  }, name));
  const snapshot = el('dl', {}), journal = el('dl', {}), databases = el('div', {}), server = el('dl', {});
  const facts = (list, pairs) => list.replaceChildren(...pairs.flatMap(([name, text]) => [el('dt', {}, name), el('dd', {}, text)]));
  const show = () => {
    for (const one of plots) one.draw();
    const now = state.now;
    if (!now) return;
    const sample = now.sample, memory = now.memory;
    value.ops.textContent = count(sample.ops);
    note.ops.textContent = count(now.commands) + ' in all';
    value.hits.textContent = percent(now.hit_rate);
    note.hits.textContent = `${count(now.hits)} of ${count(now.hits + now.misses)}`;
    value.keys.textContent = count(now.databases.reduce((sum, one) => sum + one.keys, 0));
    note.keys.textContent = `${count(now.expired)} expired, ${count(now.evicted)} evicted`;
    value.memory.textContent = bytes(memory.used);
    note.memory.textContent = `peak ${bytes(memory.peak)}${memory.max ? ' of ' + bytes(memory.max) : ''}`;
    value.clients.textContent = count(now.clients);
    note.clients.textContent = `${count(now.blocked)} waiting`;
    value.latency.textContent = micros(sample.latency * 1000);
    note.latency.textContent = 'a look into every shard';
    const save = now.snapshot;
    facts(snapshot, [
      ['state', save.running ? `running, ${Math.round(save.percent)}%` : save.last_ok ? 'fine' : 'the last one failed'],
      ['last', save.saves ? ago(save.last_at * 1000) : 'none since the start'],
      ['took', save.last_s < 0 ? '–' : save.last_s + ' s'],
      ['changes since', count(save.changes)],
    ]);
    facts(journal, now.journal.on
      ? [['state', now.journal.ok ? 'fine' : 'cannot be written'], ['size', bytes(now.journal.bytes)], ['to be written', bytes(now.journal.buffered)]]
      : [['state', 'off']]);
    facts(server, [['up', span(now.uptime_s * 1000)], ['shards', String(now.shards)], ['resident', bytes(memory.resident)],
      ['policy', memory.policy], ['CPU', `${now.cpu.user_s.toFixed(1)} s user, ${now.cpu.system_s.toFixed(1)} s system`], ['errors', count(now.errors)]]);
    databases.replaceChildren(table([
      { name: 'Database', of: (row) => String(row.db) }, { name: 'Keys', className: 'num', of: (row) => count(row.keys) },
      { name: 'With a limit', className: 'num', of: (row) => count(row.expires) }], now.databases, 'no keys'));
  };
  show();
  state.onLive = show;
  state.after.push(() => { state.onLive = null; });
  const saveNow = action({ onclick: () => attempt(async () => toast((await api('api/save', { method: 'POST' })).message)) }, 'Save now');
  return [tiles, el('div', { className: 'head' }, el('h2', {}, 'Over time'), el('div', { className: 'right' }, spans)),
    el('div', { className: 'plots' }, plots.map((one) => one.node)),
    el('div', { className: 'two' },
      el('section', { className: 'card' }, el('div', { className: 'head' }, el('h2', {}, 'Snapshots'), el('div', { className: 'right' }, saveNow)), snapshot),
      el('section', { className: 'card' }, el('div', { className: 'head' }, el('h2', {}, 'Journal')), journal),
      el('section', { className: 'card' }, el('div', { className: 'head' }, el('h2', {}, 'Server')), server),
      el('section', { className: 'card' }, el('div', { className: 'head' }, el('h2', {}, 'Databases')), databases))];
}

function keys() {
  const search = { db: 0, pattern: '', kind: '', cursor: '' };
  const list = el('div', { className: 'card list', role: 'group', 'aria-label': 'Keys' });
  const detail = el('div', { className: 'card', id: 'detail' }, el('p', { className: 'empty' }, 'choose a key'));
  const load = async (more) => {
    if (!more) search.cursor = '';
    const answer = await attempt(() => api('api/keys?' + query(search)));
    if (!answer) return;
    const rows = answer.keys.map((key) => el('button', {
      type: 'button', onclick: (event) => { choose(event.currentTarget); showKey(detail, search.db, key.id, load); },
    }, el('span', { className: 'kind' }, key.kind), el('span', { className: 'key' }, key.name.text),
      el('span', { className: 'ttl' }, key.ttl_ms < 0 ? '' : life(key.ttl_ms))));
    search.cursor = answer.cursor;
    const next = answer.cursor && el('button', { type: 'button', onclick: (event) => { event.currentTarget.remove(); load(true); } }, 'More…');
    if (!more) list.replaceChildren();
    list.append(...rows, ...(next ? [next] : []));
    if (!list.children.length) list.append(el('p', { className: 'empty' }, 'no key'));
  };
  const choose = (button) => {
    list.querySelectorAll('[aria-current]').forEach((one) => one.removeAttribute('aria-current'));
    button.setAttribute('aria-current', 'true');
  };
  list.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
    if (step && document.activeElement[step]) { event.preventDefault(); document.activeElement[step].focus(); }
  });
  const databases = state.now ? state.now.databases.map((one) => one.db) : [];
  const all = [...new Set([0, ...databases])].sort((a, b) => a - b);
  let timer;
  const later = () => { clearTimeout(timer); timer = setTimeout(() => load(), 250); };
  load();
  return [el('div', { className: 'bar', role: 'search' },
    el('label', { className: 'grow' }, 'Name or pattern', el('input', { id: 'search', type: 'search', placeholder: 'user:*', oninput: (event) => { search.pattern = event.target.value; later(); } })),
    el('label', {}, 'Type', el('select', { onchange: (event) => { search.kind = event.target.value; load(); } },
      ['', 'string', 'list', 'set', 'zset', 'hash', 'stream'].map((kind) => el('option', { value: kind }, kind || 'any')))),
    el('label', {}, 'Database', el('select', { onchange: (event) => { search.db = Number(event.target.value); load(); } },
      all.map((db) => el('option', { value: db }, String(db)))))),
  el('div', { className: 'browser' }, list, detail)];
}

async function showKey(box, db, id, reload) {
  const key = await attempt(() => api('api/key?' + query({ db, id })));
  if (!key) return box.replaceChildren(el('p', { className: 'empty' }, 'it is gone'));
  const again = () => showKey(box, db, id, reload);
  const remove = async () => {
    if (await confirmed({ title: 'Delete this key?', text: key.name.text, action: 'Delete' })) {
      await attempt(async () => {
        await api('api/key?' + query({ db, id }), { method: 'DELETE' });
        box.replaceChildren(el('p', { className: 'empty' }, 'deleted'));
        reload();
      });
    }
  };
  const expiry = async (ttl) => attempt(async () => { await api('api/key/expiry', { method: 'POST', body: { db, id, ttl_ms: ttl } }); again(); });
  const seconds = el('input', { type: 'number', min: 1, placeholder: 'seconds', 'aria-label': 'Seconds to live', size: 8 });
  const more = el('div', {});
  const value = el('div', {}, valueOf(key, key.value, 0, { db, id, again }));
  const next = (from, offset) => {
    if (!from) return more.replaceChildren();
    more.replaceChildren(el('button', { type: 'button', onclick: async () => {
      const page = await attempt(() => api('api/key?' + query({ db, id, from })));
      if (page) { value.append(valueOf(page, page.value, offset, { db, id, again })); next(page.next, offset + 100); }
    } }, 'More…'));
  };
  next(key.next, 100);
  box.replaceChildren(
    el('div', { className: 'head' }, el('div', { className: 'title' }, key.name.text), el('span', { className: 'badge' }, key.kind),
      action({ className: 'danger', onclick: remove }, 'Delete')),
    el('div', { className: 'facts' }, el('span', {}, 'encoding ' + key.encoding), el('span', {}, 'length ' + count(key.length)),
      el('span', {}, 'memory ' + bytes(key.memory || 0)), el('span', {}, 'lives: ' + life(key.ttl_ms))),
    value, more,
    mayWrite() ? el('div', { className: 'bar' }, seconds,
      action({ onclick: () => seconds.value > 0 && expiry(Math.round(seconds.value * 1000)) }, 'Let it expire'),
      key.ttl_ms >= 0 ? action({ onclick: () => expiry(null) }, 'Keep it') : null) : null);
  return undefined;
}

const shownText = (value) => (value === null ? '' : typeof value === 'object' && 'text' in value ? value.text : typeof value === 'object' ? JSON.stringify(value) : String(value));

// JSON is shown as such, with its lines.
function readable(text) {
  if (!/^\s*[[{]/.test(text)) return text;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function valueOf(key, value, offset, { db, id, again }) {
  const cell = { className: 'value' };
  switch (key.kind) {
    case 'string': {
      const edit = () => {
        const area = el('textarea', { value: value.text, 'aria-label': 'Value' });
        const write = () => attempt(async () => { await api('api/key/text', { method: 'POST', body: { db, id, text: area.value } }); again(); });
        box.replaceChildren(area, el('div', { className: 'bar' }, action({ className: 'primary', onclick: write }, 'Write'), el('button', { type: 'button', onclick: again }, 'Cancel')));
        area.focus();
      };
      const notes = [value.binary ? 'binary' : '', value.cut ? `the first 64 KB of ${bytes(value.bytes)}` : ''].filter(Boolean).join(', ');
      const box = el('div', {}, notes && el('p', { className: 'quiet' }, notes), el('pre', { tabIndex: 0 }, readable(value.text)),
        mayWrite() && !value.binary && !value.cut ? el('div', { className: 'bar' }, action({ onclick: edit }, 'Edit')) : null);
      return box;
    }
    case 'list':
      return table([{ name: '#', className: 'num', of: (row) => String(row.at) }, { name: 'Element', ...cell, of: (row) => shownText(row.value) }],
        value.map((one, index) => ({ at: offset + index, value: one })));
    case 'set':
      return table([{ name: 'Member', ...cell, of: shownText }], value);
    case 'hash':
      return table([{ name: 'Field', ...cell, of: (row) => shownText(row[0]) }, { name: 'Value', ...cell, of: (row) => shownText(row[1]) }], value);
    case 'zset':
      return table([{ name: 'Score', className: 'num', of: (row) => String(row[1]) }, { name: 'Member', ...cell, of: (row) => shownText(row[0]) }], value);
    case 'stream':
      return el('div', {}, table([{ name: 'Id', className: 'mono', of: (row) => shownText(row[0]) },
        { name: 'Fields', ...cell, of: (row) => row[1].map((one, index) => shownText(one) + (index % 2 ? '\n' : ' = ')).join('') }], value.entries),
      Array.isArray(value.groups) && value.groups.length ? el('h3', {}, 'Groups') : null,
      ...(value.groups || []).map((group) => el('p', { className: 'quiet' }, group.map(([name, what]) => `${shownText(name)} ${shownText(what)}`).join(', '))));
    default:
      return el('pre', {}, JSON.stringify(value, null, 2));
  }
}

function namespaces() {
  return refreshing('api/namespaces', (answer, again) => {
    const clear = async (row) => {
      const isSafe = row.keeping === 'evictable' || row.keeping === 'derived';
      const agreed = await confirmed({
        title: `Clear ${row.name}?`, action: 'Clear', word: row.name,
        text: `${count(row.keys)} keys are deleted. ` + (isSafe ? 'They will be fetched or built anew.' : 'They exist nowhere else: what is deleted is lost.'),
      });
      if (!agreed) return;
      await attempt(async () => {
        const result = await api(`dragonfly/clear/${row.name}${isSafe ? '' : '?force=true'}`, { method: 'POST' });
        toast(result.message);
        again();
      });
    };
    const clearAll = async () => {
      if (!await confirmed({ title: 'Clear all caches?', text: 'All keys of evictable and derived namespaces are deleted.', action: 'Clear all', word: 'clear all' })) return;
      await attempt(async () => { toast((await api('dragonfly/clear-all', { method: 'POST' })).message); again(); });
    };
    return el('section', { className: 'card' },
      el('div', { className: 'head' }, el('h2', {}, 'Namespaces'), el('span', { className: 'quiet' }, `counted ${ago(answer.at)}`),
        el('div', { className: 'right' }, action({ className: 'danger', onclick: clearAll }, 'Clear all caches'))),
      table([
        { name: 'Name', of: (row) => row.name },
        { name: 'Keys', className: 'num', of: (row) => count(row.keys) },
        { name: 'Hit rate', className: 'num', of: (row) => percent(row.hit_rate) + (row.hit_rate_of === 'server' ? ' (all)' : '') },
        { name: 'Kept', className: 'wide', of: (row) => el('span', { className: 'badge' + (row.keeping === 'durable' || row.keeping === 'security' ? ' warn' : '') }, row.keeping || 'unknown') },
        { name: '', className: 'num', of: (row) => action({ className: 'danger', disabled: !mayWrite() || !row.keys, 'aria-label': `Clear ${row.name}`, onclick: () => clear(row) }, 'Clear') },
      ], [...answer.namespaces].sort((a, b) => b.keys - a.keys || a.name.localeCompare(b.name))),
      answer.others ? el('p', { className: 'quiet' }, `${count(answer.others)} keys belong to no namespace`) : null);
  });
}

function queues() {
  return refreshing('api/queues', (answer) => {
    if (!answer.queues.length) return el('p', { className: 'empty' }, 'no queues');
    const number = (name, of) => ({ name, className: 'num', of: (row) => count(row[of]) });
    const dead = answer.queues.flatMap((queue) => queue.dead_jobs.map((job) => ({ queue, ...job })));
    return [el('section', { className: 'card' }, el('div', { className: 'head' }, el('h2', {}, 'Queues')),
      table([{ name: 'Queue', of: (row) => [row.name, row.paused ? ' ' : '', row.paused ? el('span', { className: 'badge warn' }, 'paused') : null].filter(Boolean) },
        number('Ready', 'ready'), number('Leased', 'leased'), number('Delayed', 'delayed'), number('Waiting', 'waiting'), number('Dead', 'dead'), number('Done', 'done')], answer.queues)),
    el('section', { className: 'card' }, el('div', { className: 'head' }, el('h2', {}, 'Dead jobs')),
      table([{ name: 'Queue', of: (row) => row.queue.name }, { name: 'Id', className: 'num', of: (row) => row.id },
        { name: 'Attempts', className: 'num', of: (row) => String(row.attempts) }, { name: 'Error', className: 'value', of: (row) => row.error || '–' },
        { name: 'Job', className: 'value wide', of: (row) => shownText(row.job).slice(0, 400) }], dead, 'none'))];
  });
}

function sessions() {
  return refreshing('api/sessions', (answer) => {
    if (!answer.users.length) return el('p', { className: 'empty' }, 'nobody has a session');
    return answer.users.map((user) => el('section', { className: 'card' },
      el('div', { className: 'head' }, el('h2', {}, 'User ' + user.user), el('span', { className: 'quiet' }, `${count(user.count)} sessions`)),
      table([{ name: 'Session', className: 'mono', of: (row) => row.id }, { name: 'Device', of: (row) => deviceText(row.device) },
        { name: 'Begun', className: 'wide', of: (row) => ago(row.made) }, { name: 'Last seen', of: (row) => ago(row.seen) },
        { name: 'Ends in', className: 'num', of: (row) => (row.ends ? span(Math.max(0, row.ends - Date.now())) : '–') }], user.sessions)));
  });
}

const deviceText = (device) => (device && typeof device === 'object' ? Object.values(device).filter(Boolean).join(' · ') : device) || '–';

function clients() {
  return refreshing('api/clients', (answer, again) => el('section', { className: 'card' },
    el('div', { className: 'head' }, el('h2', {}, 'Clients'), el('span', { className: 'quiet' }, count(answer.all))),
    table([{ name: 'Id', className: 'num', of: (row) => String(row.id) }, { name: 'Address', className: 'mono', of: (row) => row.addr || 'in process' },
      { name: 'Name', of: (row) => row.name || '–' }, { name: 'User', of: (row) => row.user },
      { name: 'Idle', className: 'num', of: (row) => (row.blocked ? 'waiting' : span(row.idle_ms)) }, { name: 'Buffers', className: 'num wide', of: (row) => bytes(row.bytes) },
      { name: '', className: 'num', of: (row) => action({ className: 'danger', 'aria-label': `Close client ${row.id}`, onclick: async () => {
        if (!await confirmed({ title: 'Close this connection?', text: `${row.addr} ${row.name}`, action: 'Close it' })) return;
        await attempt(async () => { await api('api/clients/kill', { method: 'POST', body: { id: row.id } }); again(); });
      } }, 'Close') }], answer.clients, 'nobody is connected')));
}

function commands() {
  return refreshing('api/commands', (answer) => el('section', { className: 'card' }, el('div', { className: 'head' }, el('h2', {}, 'Commands')),
    table([{ name: 'Command', of: (row) => row.name }, { name: 'Calls', className: 'num', of: (row) => count(row.calls) },
      { name: 'Mean', className: 'num', of: (row) => micros(row.mean_us) }, { name: 'p50', className: 'num', of: (row) => micros(row.p50_us) },
      { name: 'p99', className: 'num', of: (row) => micros(row.p99_us) }, { name: 'Failed', className: 'num', of: (row) => count(row.failed) },
      { name: 'Refused', className: 'num wide', of: (row) => count(row.rejected) }], answer.commands)));
}

function slowlog() {
  return refreshing('api/slowlog', (answer, again) => el('section', { className: 'card' },
    el('div', { className: 'head' }, el('h2', {}, 'Slow log'), el('span', { className: 'quiet' }, `over ${micros(answer.slower_than_us)}`),
      el('div', { className: 'right' }, action({ onclick: () => attempt(async () => { await api('api/slowlog', { method: 'DELETE' }); again(); }) }, 'Clear'))),
    table([{ name: 'When', of: (row) => clock(row.at) }, { name: 'Took', className: 'num', of: (row) => micros(row.us) },
      { name: 'Command', className: 'value', of: (row) => row.command }, { name: 'Client', className: 'mono wide', of: (row) => row.client || row.addr }], answer.entries, 'nothing was slow')));
}

// ---- The whole ------------------------------------------------------------------------------------------------

function go() {
  for (const end of state.after.splice(0)) end();
  const wanted = location.hash.replace(/^#\/?/, '');
  const [id, title, show] = PANELS.find(([name]) => name === wanted) || PANELS[0];
  state.panel = id;
  document.title = `${title} · damselfly`;
  document.querySelectorAll('#tabs a').forEach((link) => {
    if (link.dataset.panel === id) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  });
  main.replaceChildren(...[show()].flat());
  if (state.onLive) state.onLive();
  if (state.searches && id === 'keys') document.getElementById('search').focus();
  state.searches = false;
}

function health() {
  const box = document.getElementById('health');
  const wrong = state.now ? state.now.health : null;
  box.className = 'health ' + (wrong === null ? 'bad' : wrong.length ? 'warn' : 'good');
  box.textContent = wrong === null ? 'not connected' : wrong.length ? wrong.join(', ') : `healthy · ${micros(state.now.sample.latency * 1000)}`;
}

async function loadHistory() {
  const answer = await attempt(() => api('api/history?' + query({ span: state.span })));
  if (answer) state.samples = answer.samples;
}

function listen() {
  if (state.source) state.source.close();
  state.source = new EventSource('api/live');
  state.source.onmessage = (event) => {
    state.now = JSON.parse(event.data);
    const last = state.samples[state.samples.length - 1];
    if (state.span === 'quarter' && state.now.sample.at && (!last || state.now.sample.at > last.at)) {
      state.samples.push(state.now.sample);
      if (state.samples.length > 900) state.samples.shift();
    }
    health();
    if (state.onLive) state.onLive();
  };
  state.source.onerror = () => { state.now = null; health(); };
}

function showLogin() {
  for (const end of state.after.splice(0)) end();
  if (state.source) state.source.close();
  state.panel = 'login';
  document.getElementById('tabs').replaceChildren();
  document.getElementById('logout').hidden = true;
  document.getElementById('user').textContent = '';
  document.getElementById('health').textContent = 'log in first';
  document.getElementById('health').className = 'health';
  const wrong = el('p', { className: 'wrong', role: 'alert' });
  const name = el('input', { name: 'user', autocomplete: 'username', value: 'default', required: true });
  const password = el('input', { name: 'password', type: 'password', autocomplete: 'current-password' });
  main.replaceChildren(el('form', { className: 'card login', onsubmit: async (event) => {
    event.preventDefault();
    wrong.textContent = '';
    try {
      state.session = await api('api/login', { method: 'POST', body: { user: name.value, password: password.value } });
      start();
    } catch (error) { wrong.textContent = error.message; password.select(); }
  } }, el('h2', {}, 'Log in'), el('p', { className: 'quiet' }, 'as one of the server’s users (ACL)'),
  el('label', {}, 'Name', name), el('label', {}, 'Password', password), wrong, el('button', { className: 'primary', type: 'submit' }, 'Log in')));
  password.focus();
}

async function start() {
  if (!state.session) {
    try { state.session = await api('api/session'); } catch (error) {
      if (state.panel !== 'login') main.replaceChildren(el('p', { className: 'empty' }, error.message));
      return;
    }
  }
  const { user, admin, read_only: readOnly, session, version } = state.session;
  document.getElementById('user').textContent = user + (readOnly ? ' · read only' : admin ? '' : ' · may look');
  document.getElementById('logout').hidden = !session;
  document.getElementById('version').textContent = 'damselfly ' + version;
  document.getElementById('tabs').replaceChildren(...PANELS.map(([id, title]) => el('a', { href: '#/' + id, 'data-panel': id }, title)));
  await loadHistory();
  state.now = await attempt(() => api('api/overview')) || null;
  health();
  listen();
  go();
}

function theme(next) {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const is = document.documentElement.dataset.theme || (dark ? 'dark' : 'light');
  const wanted = next || (is === 'dark' ? 'light' : 'dark');
  document.documentElement.dataset.theme = wanted;
  try { localStorage.setItem('theme', wanted); } catch { /* a browser that keeps nothing */ }
}

document.getElementById('theme').addEventListener('click', () => theme());
document.getElementById('logout').addEventListener('click', async () => {
  await attempt(() => api('api/logout', { method: 'POST' }));
  state.session = null;
  showLogin();
});
document.querySelector('.skip').addEventListener('click', (event) => { event.preventDefault(); main.focus(); });
addEventListener('resize', () => { if (state.onLive) state.onLive(); });
addEventListener('hashchange', () => { if (state.session) go(); });
addEventListener('keydown', (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.getElementById('dialog').open || !state.session) return;
  if (event.key >= '1' && event.key <= String(PANELS.length)) location.hash = '#/' + PANELS[Number(event.key) - 1][0];
  else if (event.key === '/') {
    event.preventDefault();
    if (state.panel === 'keys') document.getElementById('search').focus();
    else { state.searches = true; location.hash = '#/keys'; }
  }
});
try { const kept = localStorage.getItem('theme'); if (kept) theme(kept); } catch { /* likewise */ }
start();
